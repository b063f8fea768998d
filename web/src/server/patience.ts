import { Failure } from './failure.ts';

const FIRST_WAIT_SECONDS = 0.5;
const LONGEST_WAIT_SECONDS = 10;

/** Resolves after so long. Errors: the reason of `signal`. */
export function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(finish, Math.max(0, seconds * 1000));
    signal.addEventListener('abort', finish);
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    }
    if (signal.aborted) finish();
  });
}

interface PatienceOptions {
  readonly signal: AbortSignal;
  /** Told before each wait. */
  readonly tell: (failure: Failure, waitSeconds: number) => void;
}

/** Waits after failures that may pass: as long as the server says, else longer each time. */
export class Patience {
  readonly #options: PatienceOptions;
  #failures = 0;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** Something worked. */
  calm(): void {
    this.#failures = 0;
  }

  /** Resolves when it is time to try again. Errors: what was thrown, where it will not pass; the reason of `signal`. */
  async after(thrown: unknown): Promise<void> {
    const { signal, tell } = this.#options;
    signal.throwIfAborted();
    if (!(thrown instanceof Failure) || !thrown.retryable) throw thrown;
    const backoffSeconds = Math.min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** this.#failures);
    const waitSeconds = thrown.retryAfterSeconds ?? backoffSeconds;
    this.#failures += 1;
    tell(thrown, waitSeconds);
    await pause(waitSeconds, signal);
  }

  /** Does the work until it works. Errors: those of `after`. */
  async insist<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await work();
        this.calm();
        return result;
      } catch (thrown) {
        await this.after(thrown);
      }
    }
  }
}
