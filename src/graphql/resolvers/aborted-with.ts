/**
 * An async generator that can be ended while it waits: `return()` on a plain one takes effect only after its current
 * step, which for a quiet stream may never come. `make` gets a signal that fires when the consumer leaves.
 */
export function abortedWith<T>(
  make: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const leaving = new AbortController();
  const inner = make(leaving.signal);
  return {
    next: () => inner.next(),
    return(value) {
      leaving.abort();
      return inner.return(value);
    },
    throw(error) {
      leaving.abort();
      return inner.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await this.return(undefined);
    },
  };
}
