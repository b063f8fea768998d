import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram, LATENCY_BOUNDS_MS } from '../../src/flow/index.ts';

describe('a histogram', () => {
  it('counts each value in the first bucket whose bound it does not pass, and the rest at the end', () => {
    const histogram = new Histogram([1, 10]);
    for (const value of [0, 1, 1.001, 10, 11, 1e9]) histogram.observe(value);
    expect(histogram.snapshot()).toEqual({ bounds: [1, 10], counts: [2, 2, 2], sum: 1e9 + 23.001 });
  });

  it('agrees with a count of the values themselves', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e5, noNaN: true })), (values) => {
        const histogram = new Histogram(LATENCY_BOUNDS_MS);
        for (const value of values) histogram.observe(value);
        const { counts } = histogram.snapshot();
        let below = 0;
        for (const [index, bound] of LATENCY_BOUNDS_MS.entries()) {
          below += counts[index]!;
          expect(below).toBe(values.filter((value) => value <= bound).length);
        }
        expect(below + counts.at(-1)!).toBe(values.length);
      }),
    );
  });

  it('does not change what it has given away', () => {
    const histogram = new Histogram([1]);
    const before = histogram.snapshot();
    histogram.observe(0.5);
    expect(before.counts).toEqual([0, 0]);
  });
});
