/** What is worked out inside the database, so that a year of frames costs no memory here. */
import { EXPRESSIONS, type Quadrant } from '../domain.ts';
import { AppError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { checkFirst, checkRange } from './checks.ts';
import type { Database } from './database.ts';
import type {
  AffectSummary,
  Page,
  Spread,
  SummaryQuery,
  TimelineBucket,
  TimelineQuery,
  TimeRange,
  TrackSummary,
} from './types.ts';

const MAX_BUCKETS = 10_000;
/**
 * Times that lack less than this of a bucket's beginning lie at it: neither number is exact in binary, and
 * 0.6 / 0.2 is 2.9999999999999996.
 */
const ROUNDING_SECONDS = 0.5e-6;
const QUADRANTS: readonly Quadrant[] = ['EXCITED', 'DISTRESSED', 'DEPRESSED', 'CALM', 'NEUTRAL'];

/** Columns of a spread; the deviation is worked out from the mean of the squares, which rounding may take below 0. */
function spreadColumns(name: 'valence' | 'arousal'): Prisma.Sql {
  const column = Prisma.raw(name);
  return Prisma.sql`avg(${column}) AS ${Prisma.raw(`${name}Mean`)}, min(${column}) AS ${Prisma.raw(`${name}Min`)},
    max(${column}) AS ${Prisma.raw(`${name}Max`)},
    sqrt(max(0.0, avg(${column} * ${column}) - avg(${column}) * avg(${column}))) AS ${Prisma.raw(`${name}Deviation`)}`;
}

type SpreadRow = Readonly<Record<`${'valence' | 'arousal'}${'Mean' | 'Min' | 'Max' | 'Deviation'}`, number | null>>;

function spreadOf(row: SpreadRow, name: 'valence' | 'arousal'): Spread | null {
  const mean = row[`${name}Mean`];
  if (mean === null) return null;
  return {
    mean,
    min: row[`${name}Min`] ?? mean,
    max: row[`${name}Max`] ?? mean,
    deviation: row[`${name}Deviation`] ?? 0,
  };
}

/** Rows of one stream within a range, of one track where it is given. */
function chosen(streamId: string, { fromSeconds, toSeconds }: TimeRange, trackNumber?: number): Prisma.Sql {
  const parts = [Prisma.sql`streamId = ${streamId}`];
  if (fromSeconds !== undefined) parts.push(Prisma.sql`ptsSeconds >= ${fromSeconds}`);
  if (toSeconds !== undefined) parts.push(Prisma.sql`ptsSeconds < ${toSeconds}`);
  if (trackNumber !== undefined) parts.push(Prisma.sql`trackNumber = ${trackNumber}`);
  return Prisma.join(parts, ' AND ');
}

/**
 * Reads every frame of the range and every face of it: 0.8 s of our thread for 600,000 of each. A refusal reads the frames
 * alone (0.2 s); SQLite sorts them within its page cache and on disk, and of the buckets no more than one too many comes.
 */
export async function readTimeline(
  database: Database,
  streamId: string,
  query: TimelineQuery,
): Promise<readonly TimelineBucket[]> {
  const { bucketSeconds, trackNumber } = query;
  checkRange(query);
  if (!(bucketSeconds > 0 && Number.isFinite(bucketSeconds))) {
    throw new AppError('BAD_INPUT', `bucketSeconds must be above 0; it is ${bucketSeconds}.`);
  }
  const frames = chosen(streamId, query);
  const bucket = Prisma.sql`CAST(floor((ptsSeconds + ${ROUNDING_SECONDS}) / ${bucketSeconds}) AS INTEGER) AS bucket`;
  const counts = await database.$queryRaw<{ bucket: number | bigint; frames: number | bigint }[]>(
    Prisma.sql`SELECT ${bucket}, count(*) AS frames FROM Frame WHERE ${frames} GROUP BY 1 ORDER BY 1
      LIMIT ${MAX_BUCKETS + 1}`,
  );
  if (counts.length > MAX_BUCKETS) {
    throw new AppError(
      'BAD_INPUT',
      `That would be more than ${MAX_BUCKETS} buckets, which is the limit; take larger buckets or a shorter range.`,
    );
  }
  // Such numbers are no longer exact, and the largest stands for all beyond it.
  if (counts.some(({ bucket: index }) => !Number.isSafeInteger(Number(index)))) {
    throw new AppError(
      'BAD_INPUT',
      `bucketSeconds is ${bucketSeconds}, too short for these times; take larger buckets.`,
    );
  }
  const faces = chosen(streamId, query, trackNumber);
  const spreads = await database.$queryRaw<(SpreadRow & { bucket: number | bigint; faces: number | bigint })[]>(
    Prisma.sql`SELECT ${bucket}, count(*) AS faces, ${spreadColumns('valence')}, ${spreadColumns('arousal')}
      FROM FaceEstimate WHERE ${faces} GROUP BY 1`,
  );
  const byBucket = new Map(spreads.map((row) => [Number(row.bucket), row] as const));
  return counts.map((row) => {
    const index = Number(row.bucket);
    const found = byBucket.get(index);
    return {
      startSeconds: toNanoseconds(index * bucketSeconds),
      endSeconds: toNanoseconds((index + 1) * bucketSeconds),
      frames: Number(row.frames),
      faces: Number(found?.faces ?? 0),
      valence: found === undefined ? null : spreadOf(found, 'valence'),
      arousal: found === undefined ? null : spreadOf(found, 'arousal'),
    };
  });
}

/** So that 3 times 0.1 is 0.3, and buckets of different streams can be joined by their beginnings. */
function toNanoseconds(seconds: number): number {
  return Math.round(seconds * 1e9) / 1e9;
}

/** Reads every frame of the range and every face of it, as there is no other way: 1 to 1.7 s of our thread for 600,000 of each. */
export async function readSummary(database: Database, streamId: string, query: SummaryQuery): Promise<AffectSummary> {
  checkRange(query);
  const { trackNumber, neutralRadius } = query;
  const frames = chosen(streamId, query);
  const faces = chosen(streamId, query, trackNumber);
  const [counted] = await database.$queryRaw<{ frames: number | bigint; first: number | null; last: number | null }[]>(
    Prisma.sql`SELECT count(*) AS frames, min(ptsSeconds) AS first, max(ptsSeconds) AS last FROM Frame WHERE ${frames}`,
  );
  const means = EXPRESSIONS.map((name) => Prisma.raw(`avg(${name.toLowerCase()}) AS expression_${name}`));
  // The same order of cases as estimates/circumplex.ts; a test compares the two.
  const quadrant = Prisma.sql`CASE WHEN valence * valence + arousal * arousal < ${neutralRadius * neutralRadius}
      OR (valence = 0 AND arousal = 0) THEN 'NEUTRAL'
    WHEN arousal >= 0 AND valence >= 0 THEN 'EXCITED' WHEN arousal >= 0 THEN 'DISTRESSED'
    WHEN valence >= 0 THEN 'CALM' ELSE 'DEPRESSED' END`;
  const shares = QUADRANTS.map(
    (name) => Prisma.sql`avg(CASE WHEN quadrant = ${name} THEN 1.0 ELSE 0.0 END) AS ${Prisma.raw(`quadrant_${name}`)}`,
  );
  type Row = SpreadRow & Readonly<Record<string, number | bigint | null>>;
  const [row] = await database.$queryRaw<Row[]>(
    Prisma.sql`SELECT count(*) AS faces, count(DISTINCT sequence) AS framesWithFaces, count(DISTINCT trackNumber) AS tracks,
      ${spreadColumns('valence')}, ${spreadColumns('arousal')}, ${Prisma.join(means)}, ${Prisma.join(shares)}
      FROM (SELECT *, ${quadrant} AS quadrant FROM FaceEstimate WHERE ${faces})`,
  );
  const numberOf = (name: string): number => Number(row?.[name] ?? 0);
  const any = numberOf('faces') > 0;
  return {
    frames: Number(counted?.frames ?? 0),
    framesWithFaces: numberOf('framesWithFaces'),
    faces: numberOf('faces'),
    tracks: numberOf('tracks'),
    firstPtsSeconds: counted?.first ?? null,
    lastPtsSeconds: counted?.last ?? null,
    valence: row === undefined ? null : spreadOf(row, 'valence'),
    arousal: row === undefined ? null : spreadOf(row, 'arousal'),
    quadrants: any ? QUADRANTS.map((name) => ({ quadrant: name, share: numberOf(`quadrant_${name}`) })) : [],
    expressions: any
      ? EXPRESSIONS.map((name) => ({ expression: name, probability: numberOf(`expression_${name}`) }))
      : [],
  };
}

const TRACK_COLUMNS = Prisma.sql`trackNumber, min(ptsSeconds) AS first, max(ptsSeconds) AS last, count(*) AS frames,
  avg(valence) AS meanValence, avg(arousal) AS meanArousal, avg(score) AS meanScore`;

interface TrackRow {
  readonly trackNumber: number | bigint;
  readonly first: number;
  readonly last: number;
  readonly frames: number | bigint;
  readonly meanValence: number;
  readonly meanArousal: number;
  readonly meanScore: number;
}

function toTrack({ trackNumber, first, last, frames, ...means }: TrackRow): TrackSummary {
  return {
    trackNumber: Number(trackNumber),
    firstPtsSeconds: first,
    lastPtsSeconds: last,
    frames: Number(frames),
    meanValence: means.meanValence,
    meanArousal: means.meanArousal,
    meanScore: means.meanScore,
  };
}

/** Reads every face of the page's tracks, which may be all that a stream has. */
export async function readTracks(
  database: Database,
  streamId: string,
  { first, afterTrackNumber = 0 }: { readonly first: number; readonly afterTrackNumber?: number },
): Promise<Page<TrackSummary>> {
  checkFirst(first);
  const rows = await database.$queryRaw<TrackRow[]>(
    Prisma.sql`SELECT ${TRACK_COLUMNS} FROM FaceEstimate WHERE streamId = ${streamId} AND trackNumber > ${afterTrackNumber}
      GROUP BY trackNumber ORDER BY trackNumber LIMIT ${first + 1}`,
  );
  return { items: rows.slice(0, first).map(toTrack), hasNextPage: rows.length > first };
}

export async function readTrack(
  database: Database,
  streamId: string,
  trackNumber: number,
): Promise<TrackSummary | null> {
  const [row] = await database.$queryRaw<TrackRow[]>(
    Prisma.sql`SELECT ${TRACK_COLUMNS} FROM FaceEstimate WHERE streamId = ${streamId} AND trackNumber = ${trackNumber}
      GROUP BY trackNumber`,
  );
  return row === undefined ? null : toTrack(row);
}
