import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../src/flow/index.ts';

/** A bucket with a clock that a test turns. */
function bucket(capacity: number, refillSeconds: number) {
  let nowMs = 0;
  const tokens = new TokenBucket({ capacity, refillSeconds, nowMs: () => nowMs });
  return {
    tokens,
    pass(seconds: number) {
      nowMs += seconds * 1000;
    },
  };
}

describe('a token bucket', () => {
  test('gives what it holds at once, then says when there is more', () => {
    const { tokens, pass } = bucket(6, 60);
    for (let taken = 0; taken < 6; taken++) expect(tokens.take(1)).toBe(0);
    expect(tokens.take(1)).toBeCloseTo(10);
    pass(4);
    expect(tokens.take(1)).toBeCloseTo(6);
    pass(6);
    expect(tokens.take(1)).toBe(0);
    expect(tokens.take(1)).toBeCloseTo(10);
  });

  test('takes nothing where it has not enough', () => {
    const { tokens } = bucket(10, 1);
    expect(tokens.take(8)).toBe(0);
    expect(tokens.take(3)).toBeGreaterThan(0);
    expect(tokens.waitSeconds(2)).toBe(0);
    expect(tokens.take(2)).toBe(0);
  });

  test('never holds more than it can, so that a long rest earns no long burst', () => {
    const { tokens, pass } = bucket(5, 1);
    pass(1000);
    expect(tokens.take(5)).toBe(0);
    expect(tokens.take(1)).toBeGreaterThan(0);
  });

  test('says never of what is more than it can hold, and has no bound where it is infinite', () => {
    expect(bucket(5, 1).tokens.take(6)).toBe(Number.POSITIVE_INFINITY);
    expect(bucket(Number.POSITIVE_INFINITY, 1).tokens.take(1e15)).toBe(0);
  });

  test('lets through no more than its rate allows, whatever is asked when', () => {
    const step = fc.record({ wait: fc.double({ min: 0, max: 5, noNaN: true }), ask: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const { tokens, pass } = bucket(4, 2);
        let seconds = 0;
        let taken = 0;
        for (const { wait, ask } of steps) {
          pass(wait);
          seconds += wait;
          if (tokens.take(ask) === 0) taken += ask;
        }
        expect(taken).toBeLessThanOrEqual(4 + seconds * 2 + 1e-6);
      }),
    );
  });
});
