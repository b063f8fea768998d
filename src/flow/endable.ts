/**
 * An async generator that can be left while it waits. A plain one queues `return()` behind the pending `next()`, which
 * may wait for ever; this one fires the signal that its body got first. `signal`, where given, ends it in the same way.
 */
export function endable<T>(
  make: (ended: AbortSignal) => AsyncGenerator<T, void, undefined>,
  signal?: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const controller = new AbortController();
  const body = make(controller.signal);
  const end = (): void => {
    signal?.removeEventListener('abort', end);
    controller.abort(signal?.reason);
  };
  if (signal?.aborted === true) end();
  else signal?.addEventListener('abort', end, { once: true });
  const generator: AsyncGenerator<T, void, undefined> = {
    async next() {
      try {
        const result = await body.next();
        if (result.done === true) end();
        return result;
      } catch (thrown) {
        end();
        throw thrown;
      }
    },
    return() {
      end();
      return body.return();
    },
    throw(thrown) {
      end();
      return body.throw(thrown);
    },
    [Symbol.asyncIterator]: () => generator,
    async [Symbol.asyncDispose]() {
      await generator.return();
    },
  };
  return generator;
}
