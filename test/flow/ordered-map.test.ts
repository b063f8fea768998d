import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderedMap } from '../../src/flow/index.ts';

async function* counting(upTo: number, ended: string[] = []): AsyncGenerator<number> {
  try {
    for (let value = 0; value < upTo; value++) yield value;
  } finally {
    ended.push('source');
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('orderedMap', () => {
  it('keeps the order of the source however long each item takes, and never has more in flight than it may', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 5 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 6 }),
        async (turns, concurrency) => {
          let inFlight = 0;
          let most = 0;
          async function* source(): AsyncGenerator<number> {
            for (const count of turns) yield count;
          }
          const results = await collect(
            orderedMap(source(), concurrency, async (count) => {
              inFlight += 1;
              most = Math.max(most, inFlight);
              for (let i = 0; i < count; i++) await turn();
              inFlight -= 1;
              return count;
            }),
          );
          expect(results).toEqual(turns);
          expect(most).toBeLessThanOrEqual(concurrency);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('works on later items while the consumer is busy with an earlier one', async () => {
    const begun: number[] = [];
    const results = orderedMap(counting(10), 3, async (value) => {
      begun.push(value);
      return value;
    });
    await results.next();
    for (let i = 0; i < 10; i++) await turn();
    expect(begun).toEqual([0, 1, 2, 3]);
    await results.return();
  });

  it('gives the results before an error of the work, then the error, and returns the source', async () => {
    const ended: string[] = [];
    const seen: number[] = [];
    const results = orderedMap(counting(10, ended), 4, async (value) => {
      if (value === 2) throw new Error('second');
      return value;
    });
    await expect(
      (async () => {
        for await (const value of results) seen.push(value);
      })(),
    ).rejects.toThrow('second');
    expect(seen).toEqual([0, 1]);
    expect(ended).toEqual(['source']);
  });

  it('gives everything that came before an error of the source', async () => {
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      yield 2;
      throw new Error('source broke');
    }
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const value of orderedMap(failing(), 4, async (item) => item)) seen.push(value);
      })(),
    ).rejects.toThrow('source broke');
    expect(seen).toEqual([1, 2]);
  });

  it('aborts and awaits what is in flight when the consumer leaves', async () => {
    const ended: string[] = [];
    const results = orderedMap(counting(10, ended), 3, async (value, signal) => {
      if (value === 0) return value;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      ended.push(`item ${value}`);
      return value;
    });
    for await (const value of results) {
      expect(value).toBe(0);
      break;
    }
    expect(ended).toContain('item 1');
    expect(ended.at(-1)).toBe('source');
  });
});
