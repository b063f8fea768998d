import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latestOf } from '../../src/flow/index.ts';

/** A source that gives what is pushed, and says whether it was returned. */
function pushed<T>() {
  const stream = new PassThrough({ objectMode: true, highWaterMark: 1 });
  return {
    stream,
    push: (value: T) => stream.write(value),
    end: () => stream.end(),
    closed: once(stream, 'close'),
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('latestOf', () => {
  test('gives the newest of what has come and counts what it left out', async () => {
    const source = pushed<number>();
    const latest = latestOf<number>(source.stream);
    const first = latest.next();
    source.push(1);
    expect((await first).value).toEqual({ value: 1, droppedBefore: 0 });
    for (const value of [2, 3, 4]) {
      source.push(value);
      await turn();
    }
    expect((await latest.next()).value).toEqual({ value: 4, droppedBefore: 2 });
    source.push(5);
    expect((await latest.next()).value).toEqual({ value: 5, droppedBefore: 0 });
    source.end();
    expect((await latest.next()).done).toBe(true);
  });

  test('pulls its source without waiting for its consumer', async () => {
    let pulled = 0;
    async function* endless() {
      for (;;) {
        await turn();
        yield pulled++;
      }
    }
    const latest = latestOf(endless());
    await latest.next();
    const before = pulled;
    for (let index = 0; index < 50; index += 1) await turn();
    expect(pulled).toBeGreaterThan(before + 10);
    await latest.return();
  });

  test('loses nothing of the count, and never the last item, whatever the pace of either side', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 3 }), { maxLength: 40 }),
        fc.array(fc.nat({ max: 3 })),
        async (gaps, rests) => {
          async function* source() {
            for (const [index, gap] of gaps.entries()) {
              for (let left = gap; left > 0; left -= 1) await turn();
              yield index;
            }
          }
          let counted = 0;
          let last = -1;
          for await (const { value, droppedBefore } of latestOf(source())) {
            expect(value).toBe(last + 1 + droppedBefore);
            counted += 1 + droppedBefore;
            last = value;
            for (let left = rests[value] ?? 0; left > 0; left -= 1) await turn();
          }
          expect(counted).toBe(gaps.length);
          expect(last).toBe(gaps.length - 1);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('throws the error of its source after the last item', async () => {
    async function* failing() {
      yield 1;
      throw new Error('the source broke');
    }
    const latest = latestOf(failing());
    expect((await latest.next()).value).toEqual({ value: 1, droppedBefore: 0 });
    await expect(latest.next()).rejects.toThrow('the source broke');
  });

  test('returns its source when the consumer leaves', async () => {
    let returned = false;
    async function* endless() {
      try {
        for (;;) {
          await turn();
          yield 1;
        }
      } finally {
        returned = true;
      }
    }
    for await (const _ of latestOf(endless())) break;
    expect(returned).toBe(true);
  });
});
