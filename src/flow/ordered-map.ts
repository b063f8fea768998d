/**
 * Maps an async iterable with several items in flight and hands the results on in the order of the source.
 *
 * A pump of its own pulls the source, so that the work on later items goes on while the consumer is busy with an earlier
 * one; it pauses while `concurrency` items are begun and not yet taken, which is the whole back-pressure.
 *
 * The first error, of the source or of `work`, is thrown after the results before it. However it ends (source done,
 * error, consumer leaves) it then aborts the signal that `work` got, waits for what it had begun, and returns the
 * source. A source that is stuck in `next()` has to be ended by its owner's signal: nothing here can.
 */
export async function* orderedMap<In, Out>(
  source: AsyncIterable<In>,
  concurrency: number,
  work: (item: In, signal: AbortSignal) => Promise<Out>,
): AsyncGenerator<Out, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const controller = new AbortController();
  const begun: Promise<Out>[] = [];
  const wake = { pump: asleep, consumer: asleep };
  const ending: { reached: boolean; failure?: { readonly thrown: unknown } } = { reached: false };

  async function pump(): Promise<void> {
    try {
      while (!controller.signal.aborted) {
        if (begun.length >= concurrency) {
          await new Promise<void>((resume) => {
            wake.pump = resume;
          });
          continue;
        }
        const next = await iterator.next();
        if (next.done === true || controller.signal.aborted) return;
        const result = work(next.value, controller.signal);
        // The consumer meets the rejection when it comes to this item; until then it is not unhandled.
        result.catch(() => undefined);
        begun.push(result);
        wake.consumer();
      }
    } catch (thrown) {
      ending.failure = { thrown };
    } finally {
      ending.reached = true;
      wake.consumer();
    }
  }

  const pumping = pump();
  try {
    for (;;) {
      const head = begun[0];
      if (head !== undefined) {
        const result = await head;
        void begun.shift();
        wake.pump();
        yield result;
      } else if (ending.reached) {
        if (ending.failure !== undefined) throw ending.failure.thrown;
        return;
      } else {
        await new Promise<void>((resume) => {
          wake.consumer = resume;
        });
      }
    }
  } finally {
    controller.abort();
    wake.pump();
    await pumping;
    await Promise.allSettled(begun);
    await iterator.return?.();
  }
}

function asleep(): void {
  // Nobody waits yet.
}
