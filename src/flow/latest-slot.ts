import { DropOldestBuffer, type Taken } from './drop-oldest-buffer.ts';

/**
 * Lets a consumer that is slower than its source skip: the source is pulled without pause, and of what has come since the
 * consumer last asked it gets the newest, with the number of those that were left out. One item waits at most.
 *
 * Ends after the source's last item, which is never left out; the source's error is thrown after it. When the consumer
 * leaves, the source is returned; one that is stuck in `next()` has to be ended by its owner's signal.
 */
export async function* latestOf<T>(source: AsyncIterable<T>): AsyncGenerator<Taken<T>, void, undefined> {
  const slot = new DropOldestBuffer<T>(1);
  const leaving = new AbortController();
  const ending: { failure?: { readonly thrown: unknown } } = {};

  async function pump(): Promise<void> {
    try {
      for await (const item of source) {
        if (leaving.signal.aborted) return;
        slot.push(item);
      }
    } catch (thrown) {
      ending.failure = { thrown };
    } finally {
      slot.close();
    }
  }

  const pumping = pump();
  try {
    for (let taken = await slot.take(); taken !== null; taken = await slot.take()) yield taken;
    if (ending.failure !== undefined) throw ending.failure.thrown;
  } finally {
    leaving.abort();
    await pumping;
  }
}
