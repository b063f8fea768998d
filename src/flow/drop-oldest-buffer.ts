export interface Taken<T> {
  readonly value: T;
  /** Values dropped between the one taken before and this one. */
  readonly droppedBefore: number;
}

/**
 * A bounded buffer between a producer who never waits and one consumer: when it is full, the oldest value goes and is
 * counted.
 */
export class DropOldestBuffer<T> {
  readonly #capacity: number;
  readonly #values: T[] = [];
  #dropped = 0;
  #droppedInAll = 0;
  #closed = false;
  #wake: (() => void) | null = null;

  /** `capacity`: values that are held at most, 1 or more. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Values dropped since the last one taken. */
  get dropped(): number {
    return this.#dropped;
  }

  get droppedInAll(): number {
    return this.#droppedInAll;
  }

  /** Ignored once the buffer is closed. */
  push(value: T): void {
    if (this.#closed) return;
    if (this.#values.length >= this.#capacity) {
      this.#values.shift();
      this.#dropped += 1;
      this.#droppedInAll += 1;
    }
    this.#values.push(value);
    this.#notify();
  }

  /** Throws away what is held; it counts as taken. */
  clear(): void {
    this.#values.length = 0;
    this.#dropped = 0;
  }

  /** Nothing more comes; what is held can still be taken. */
  close(): void {
    this.#closed = true;
    this.#notify();
  }

  /** The next value, or `null` once the buffer is closed and empty, or `signal` has fired. One call at a time. */
  async take(signal?: AbortSignal): Promise<Taken<T> | null> {
    while (this.#values.length === 0) {
      if (this.#closed || signal?.aborted === true) return null;
      await this.#change(signal);
    }
    return signal?.aborted === true ? null : this.#takeNow();
  }

  /**
   * Hands over every value until the buffer is closed and empty, in the very turn in which it is pushed unless `receive`
   * is busy: a promise that it returns is waited for before the next value. Rejects with what `receive` throws. To be
   * used instead of {@link take}, not beside it.
   */
  pour(receive: (taken: Taken<T>) => Promise<void> | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const flow = (): void => {
        try {
          for (let taken = this.#takeNow(); taken !== null; taken = this.#takeNow()) {
            const busy = receive(taken);
            if (busy !== undefined) {
              busy.then(flow, reject);
              return;
            }
          }
        } catch (thrown) {
          reject(thrown);
          return;
        }
        if (this.#closed) resolve();
        else this.#wake = flow;
      };
      flow();
    });
  }

  #takeNow(): Taken<T> | null {
    if (this.#values.length === 0) return null;
    const value = this.#values.shift() as T;
    const droppedBefore = this.#dropped;
    this.#dropped = 0;
    return { value, droppedBefore };
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake = wake;
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
