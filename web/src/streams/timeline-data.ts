/** A timeline as the chart draws it. */
import type { CourseQuery } from '../generated/graphql.ts';

export type Bucket = NonNullable<CourseQuery['stream']>['timeline'][number];

/** A stretch of media time. */
export interface Range {
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

/** About as many as a wide chart has pixels for. */
const MOST_BUCKETS = 800;
/** Lengths that people can name, seconds. */
const LENGTHS = [
  ...[0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  ...[60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400],
];

/** The least length of which a stretch has no more than a chart can show; the longest where none is long enough. */
export function bucketSecondsFor({ fromSeconds, toSeconds }: Range): number {
  const least = (toSeconds - fromSeconds) / MOST_BUCKETS;
  const days = Math.ceil(least / 86_400) * 86_400;
  return LENGTHS.find((length) => length >= least) ?? days;
}

/** The columns of the chart: times, then valence and arousal, each with the bounds of its band. */
export type Columns = [number[], ...(number | null)[][]];

/** Buckets further apart than so many usual distances have a gap between them. */
const GAP = 3;

/**
 * A point in the middle of each bucket: mean, and mean plus and minus the standard deviation. Null where no face was seen,
 * and where the frames leave a gap, so that no line is drawn over it.
 */
export function chartColumns(buckets: readonly Bucket[]): Columns {
  const seconds: number[] = [];
  const values: (number | null)[][] = [[], [], [], [], [], []];
  const starts = buckets.map(({ startSeconds }) => startSeconds);
  const usual = usualDistance(starts);
  const add = (at: number, point: readonly (number | null)[]): void => {
    seconds.push(at);
    for (const [index, value] of point.entries()) values[index]!.push(value);
  };
  for (const [index, bucket] of buckets.entries()) {
    const before = buckets[index - 1];
    if (before !== undefined && bucket.startSeconds - before.startSeconds > GAP * usual) {
      add((before.endSeconds + bucket.startSeconds) / 2, [null, null, null, null, null, null]);
    }
    const { valence, arousal } = bucket;
    add((bucket.startSeconds + bucket.endSeconds) / 2, [...bounds(valence), ...bounds(arousal)]);
  }
  return [seconds, ...values];
}

function bounds(spread: Bucket['valence']): readonly (number | null)[] {
  if (spread === null) return [null, null, null];
  const { mean, deviation } = spread;
  return [mean, Math.min(1, mean + deviation), Math.max(-1, mean - deviation)];
}

/** The middle one of the distances between neighbours. */
function usualDistance(starts: readonly number[]): number {
  const distances = starts.slice(1).map((start, index) => start - starts[index]!);
  distances.sort((one, other) => one - other);
  return distances[distances.length >> 1] ?? 0;
}
