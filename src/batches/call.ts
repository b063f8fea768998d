import { setMaxListeners } from 'node:events';
import { AppError } from '../errors.ts';

/** A call, for those who do not care what it will give. */
export interface OpenCall {
  readonly settled: boolean;
  reject(error: AppError): void;
}

/** One call of a caller that may leave early: settles once, and says so to the work that is still open for it. */
export class Call<T> implements OpenCall {
  readonly promise: Promise<T>;
  readonly #left = new AbortController();
  #settled = false;
  #settle!: { resolve: (value: T) => void; reject: (error: AppError) => void };
  #stopListening: () => void = () => undefined;

  constructor(signal: AbortSignal | undefined) {
    this.promise = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    if (signal === undefined) return;
    const onAbort = (): void => {
      this.reject(new AppError('ABORTED', 'The work was ended before it was done.', { cause: signal.reason }));
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    // One signal ends all calls of a stream, and Node warns of a leak from the eleventh listener on.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stopListening = () => signal.removeEventListener('abort', onAbort);
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Fires when the call has failed or its caller has left; never after a result. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  resolve(value: T): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#stopListening();
    this.#settle.resolve(value);
  }

  reject(error: AppError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#stopListening();
    this.#settle.reject(error);
    this.#left.abort(error);
  }
}
