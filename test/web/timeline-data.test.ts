import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bucket, bucketSecondsFor, chartColumns } from '../../web/src/streams/timeline-data.ts';

function bucket(startSeconds: number, mean: number | null, length = 1): Bucket {
  const spread = mean === null ? null : { mean, deviation: 0.3 };
  return {
    startSeconds,
    endSeconds: startSeconds + length,
    frames: 1,
    faces: mean === null ? 0 : 1,
    valence: spread,
    arousal: spread,
  };
}

test('a stretch of any length has no more buckets than a chart can show, and no fewer than it could', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e8, noNaN: true }), (seconds) => {
      const length = bucketSecondsFor({ fromSeconds: 5, toSeconds: 5 + seconds });
      expect(seconds / length).toBeLessThanOrEqual(800.001);
      // Neighbours in the list of lengths are at most four times as far from each other.
      expect(length <= 0.02 || seconds / length > 800 / 4).toBe(true);
    }),
  );
});

describe('the columns of the chart', () => {
  test('have the middle of each bucket, its mean and its band within the scale', () => {
    expect(chartColumns([bucket(0, 0.2), bucket(1, 0.9)])).toEqual([
      [0.5, 1.5],
      ...Array.from({ length: 2 }, () => [
        [0.2, 0.9],
        [0.5, 1],
        [expect.closeTo(-0.1), expect.closeTo(0.6)],
      ]).flat(),
    ]);
  });

  test('have nothing where no face was seen', () => {
    expect(chartColumns([bucket(0, 0.2), bucket(1, null), bucket(2, 0.2)])[1]).toEqual([0.2, null, 0.2]);
  });

  test('have a gap where frames are missing, and none where frames are rare all along', () => {
    expect(chartColumns([0, 1, 2, 3, 60, 61].map((start) => bucket(start, 0)))[1]).toEqual([0, 0, 0, 0, null, 0, 0]);
    expect(chartColumns([0, 30, 60, 90].map((start) => bucket(start, 0)))[1]).toEqual([0, 0, 0, 0]);
  });

  test('rise, whatever the buckets', () => {
    const starts = fc.uniqueArray(fc.integer({ min: 0, max: 10_000 }), { maxLength: 50 });
    fc.assert(
      fc.property(starts, (some) => {
        const [seconds] = chartColumns(some.sort((one, other) => one - other).map((start) => bucket(start, 0)));
        for (const [index, second] of seconds.entries()) {
          if (index > 0) expect(second).toBeGreaterThan(seconds[index - 1]!);
        }
      }),
    );
  });
});
