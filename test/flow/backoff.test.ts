import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../src/flow/index.ts';

describe('backoffMs', () => {
  test('doubles from try to try up to its longest wait', () => {
    const waits = [1, 2, 3, 4, 5, 6].map((attempt) =>
      backoffMs(attempt, { firstMs: 500, maxMs: 5000, random: () => 0 }),
    );
    expect(waits).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });

  test('lies between half and the whole of the wait, for any try', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        (attempt, random) => {
          const ms = backoffMs(attempt, { firstMs: 500, maxMs: 30_000, random: () => random });
          const full = Math.min(30_000, 500 * 2 ** Math.min(attempt - 1, 52));
          expect(ms).toBeGreaterThan(full / 2);
          expect(ms).toBeLessThanOrEqual(full);
        },
      ),
    );
  });
});
