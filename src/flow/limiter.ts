/** Lets a bounded number of tasks run and a bounded number wait; refuses the rest. */
export interface Limiter {
  /**
   * Runs `task` in its turn. Rejects at once with what `refuse` makes when the waiting room is full, and with the
   * signal's reason when it fires before the turn has come; a task that has begun is left to see to its own signal.
   */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  readonly running: number;
  readonly waiting: number;
  /** Tasks refused since the start. */
  readonly refused: number;
}

export function createLimiter(options: {
  readonly concurrency: number;
  readonly maxWaiting: number;
  /** Makes the error of a refused task. */
  readonly refuse: () => Error;
}): Limiter {
  const waiters = new Set<() => void>();
  let running = 0;
  let refused = 0;

  async function turn(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (running < options.concurrency) {
      running += 1;
      return;
    }
    if (waiters.size >= options.maxWaiting) {
      refused += 1;
      throw options.refuse();
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        waiters.delete(enter);
        reject(signal?.reason as Error);
      };
      const enter = (): void => {
        waiters.delete(enter);
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      waiters.add(enter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiters.size;
    },
    get refused() {
      return refused;
    },
    async run(task, signal) {
      await turn(signal);
      try {
        return await task();
      } finally {
        // The place goes straight to the first in line, so `running` only falls when nobody waits.
        const [first] = waiters;
        if (first === undefined) running -= 1;
        else first();
      }
    },
  };
}
