/** What is worked out inside the database, so that a year of frames costs no memory here. */
import { EXPRESSIONS, type Expression, type Quadrant } from '../domain.ts';
import { AppError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { checkFirst, checkRange } from './checks.ts';
import type { Database } from './database.ts';
import { type Inquiry, inPieces, type Piece, within } from './pieces.ts';
import type {
  AffectSummary,
  Page,
  Spread,
  SummaryQuery,
  TimelineBucket,
  TimelineQuery,
  TrackSummary,
} from './types.ts';

const MAX_BUCKETS = 10_000;
/**
 * Times that lack less than this of a bucket's beginning lie at it: neither number is exact in binary, and
 * 0.6 / 0.2 is 2.9999999999999996.
 */
const ROUNDING_SECONDS = 0.5e-6;
const QUADRANTS: readonly Quadrant[] = ['EXCITED', 'DISTRESSED', 'DEPRESSED', 'CALM', 'NEUTRAL'];

type Axis = 'valence' | 'arousal';
type Sum = 'Sum' | 'Squares' | 'Min' | 'Max';
type SpreadRow = Readonly<Record<`${Axis}${Sum}`, number | null>>;

/** What a spread is worked out from, so that those of several pieces can be joined. */
function spreadColumns(name: Axis): Prisma.Sql {
  const column = Prisma.raw(name);
  return Prisma.sql`sum(${column}) AS ${Prisma.raw(`${name}Sum`)}, sum(${column} * ${column}) AS ${Prisma.raw(`${name}Squares`)},
    min(${column}) AS ${Prisma.raw(`${name}Min`)}, max(${column}) AS ${Prisma.raw(`${name}Max`)}`;
}

/** Joins the spreads of an axis, piece after piece. */
class SpreadSum {
  readonly #name: Axis;
  #count = 0;
  #sum = 0;
  #squares = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  constructor(name: Axis) {
    this.#name = name;
  }

  add(row: SpreadRow, count: number): void {
    if (count === 0) return;
    this.#count += count;
    this.#sum += row[`${this.#name}Sum`] ?? 0;
    this.#squares += row[`${this.#name}Squares`] ?? 0;
    this.#min = Math.min(this.#min, row[`${this.#name}Min`] ?? this.#min);
    this.#max = Math.max(this.#max, row[`${this.#name}Max`] ?? this.#max);
  }

  /** `null` without faces. */
  get spread(): Spread | null {
    if (this.#count === 0) return null;
    const mean = this.#sum / this.#count;
    // The mean of the squares may by rounding be a little less than the square of the mean.
    const variance = Math.max(0, this.#squares / this.#count - mean * mean);
    return { mean, min: this.#min, max: this.#max, deviation: Math.sqrt(variance) };
  }
}

function ofTrack(rows: Prisma.Sql, trackNumber: number | undefined): Prisma.Sql {
  return trackNumber === undefined ? rows : Prisma.sql`${rows} AND trackNumber = ${trackNumber}`;
}

interface Bucket {
  frames: number;
  faces: number;
  readonly valence: SpreadSum;
  readonly arousal: SpreadSum;
}

/** Reads every frame of the range and every face of it, in pieces: 0.8 s in all for 600,000 of each. */
export async function readTimeline(
  inquiry: Inquiry,
  streamId: string,
  query: TimelineQuery,
): Promise<readonly TimelineBucket[]> {
  const { bucketSeconds, trackNumber } = query;
  const { database } = inquiry;
  checkRange(query);
  if (!(bucketSeconds > 0 && Number.isFinite(bucketSeconds))) {
    throw new AppError('BAD_INPUT', `bucketSeconds must be above 0; it is ${bucketSeconds}.`);
  }
  const bucketOf = Prisma.sql`CAST(floor((ptsSeconds + ${ROUNDING_SECONDS}) / ${bucketSeconds}) AS INTEGER) AS bucket`;
  async function read(piece: Piece) {
    const rows = within(streamId, piece);
    const counts = await database.$queryRaw<{ bucket: number | bigint; frames: number | bigint }[]>(
      Prisma.sql`SELECT ${bucketOf}, count(*) AS frames FROM Frame WHERE ${rows} GROUP BY 1 ORDER BY 1
        LIMIT ${MAX_BUCKETS + 1}`,
    );
    const spreads = await database.$queryRaw<(SpreadRow & { bucket: number | bigint; faces: number | bigint })[]>(
      Prisma.sql`SELECT ${bucketOf}, count(*) AS faces, ${spreadColumns('valence')}, ${spreadColumns('arousal')}
        FROM FaceEstimate WHERE ${ofTrack(rows, trackNumber)} GROUP BY 1`,
    );
    return { counts, spreads };
  }

  // In the order of time.
  const buckets = new Map<number, Bucket>();
  function add({ counts, spreads }: Awaited<ReturnType<typeof read>>): void {
    for (const { bucket, frames } of counts) {
      const index = Number(bucket);
      // Such numbers are no longer exact, and the largest stands for all beyond it.
      if (!Number.isSafeInteger(index)) throw tooShort(bucketSeconds);
      const known = buckets.get(index) ?? newBucket();
      known.frames += Number(frames);
      buckets.set(index, known);
    }
    if (buckets.size > MAX_BUCKETS) throw tooMany();
    for (const row of spreads) {
      // A face has the time of its frame, so that bucket is there.
      const known = buckets.get(Number(row.bucket))!;
      const faces = Number(row.faces);
      known.faces += faces;
      known.valence.add(row, faces);
      known.arousal.add(row, faces);
    }
  }

  await inPieces(inquiry, { streamId, range: query }, { read, add });
  return Array.from(buckets, ([index, { frames, faces, valence, arousal }]) => ({
    startSeconds: toNanoseconds(index * bucketSeconds),
    endSeconds: toNanoseconds((index + 1) * bucketSeconds),
    frames,
    faces,
    valence: valence.spread,
    arousal: arousal.spread,
  }));
}

function newBucket(): Bucket {
  return { frames: 0, faces: 0, valence: new SpreadSum('valence'), arousal: new SpreadSum('arousal') };
}

function tooMany(): AppError {
  return new AppError(
    'BAD_INPUT',
    `That would be more than ${MAX_BUCKETS} buckets, which is the limit; take larger buckets or a shorter range.`,
  );
}

function tooShort(bucketSeconds: number): AppError {
  return new AppError(
    'BAD_INPUT',
    `bucketSeconds is ${bucketSeconds}, too short for these times; take larger buckets.`,
  );
}

/** So that 3 times 0.1 is 0.3, and buckets of different streams can be joined by their beginnings. */
function toNanoseconds(seconds: number): number {
  return Math.round(seconds * 1e9) / 1e9;
}

/** Reads every frame of the range and every face of it, in pieces: 1 to 1.7 s in all for 600,000 of each. */
export async function readSummary(inquiry: Inquiry, streamId: string, query: SummaryQuery): Promise<AffectSummary> {
  checkRange(query);
  const { trackNumber, neutralRadius } = query;
  const { database } = inquiry;
  const sums = EXPRESSIONS.map((name) => Prisma.raw(`sum(${name.toLowerCase()}) AS expression_${name}`));
  // The same order of cases as estimates/circumplex.ts; a test compares the two.
  const quadrant = Prisma.sql`CASE WHEN valence * valence + arousal * arousal < ${neutralRadius * neutralRadius}
      OR (valence = 0 AND arousal = 0) THEN 'NEUTRAL'
    WHEN arousal >= 0 AND valence >= 0 THEN 'EXCITED' WHEN arousal >= 0 THEN 'DISTRESSED'
    WHEN valence >= 0 THEN 'CALM' ELSE 'DEPRESSED' END`;
  const inQuadrants = QUADRANTS.map(
    (name) => Prisma.sql`sum(CASE WHEN quadrant = ${name} THEN 1 ELSE 0 END) AS ${Prisma.raw(`quadrant_${name}`)}`,
  );
  async function read(piece: Piece) {
    const rows = within(streamId, piece);
    const [frames] = await database.$queryRaw<{ frames: number | bigint; first: number | null; last: number | null }[]>(
      Prisma.sql`SELECT count(*) AS frames, min(ptsSeconds) AS first, max(ptsSeconds) AS last FROM Frame WHERE ${rows}`,
    );
    const [row] = await database.$queryRaw<SummaryRow[]>(
      Prisma.sql`SELECT count(*) AS faces, count(DISTINCT sequence) AS framesWithFaces,
        json_group_array(DISTINCT trackNumber) AS trackNumbers, ${spreadColumns('valence')},
        ${spreadColumns('arousal')}, ${Prisma.join(sums)}, ${Prisma.join(inQuadrants)}
        FROM (SELECT *, ${quadrant} AS quadrant FROM FaceEstimate WHERE ${ofTrack(rows, trackNumber)})`,
    );
    const tracks = piece.isFirst
      ? (JSON.parse(row!.trackNumbers) as readonly number[]).length
      : await countNewTracks(database, row!.trackNumbers, rowsBefore(piece));
    return { frames: frames!, faces: row!, tracks };
  }

  /** Of the range, those before a piece. */
  function rowsBefore({ fromSeconds }: Piece): Prisma.Sql {
    const begin = query.fromSeconds === undefined ? {} : { fromSeconds: query.fromSeconds };
    return within(streamId, { ...begin, toSeconds: fromSeconds! });
  }

  const [valence, arousal] = [new SpreadSum('valence'), new SpreadSum('arousal')];
  const total = { frames: 0, framesWithFaces: 0, faces: 0, tracks: 0 };
  const times: { first: number | null; last: number | null } = { first: null, last: null };
  const expressions = new Map<Expression, number>(EXPRESSIONS.map((name) => [name, 0]));
  const quadrants = new Map<Quadrant, number>(QUADRANTS.map((name) => [name, 0]));
  function add({ frames, faces, tracks }: Awaited<ReturnType<typeof read>>): void {
    const numberOf = (name: Exclude<keyof SummaryRow, 'trackNumbers'>): number => Number(faces[name] ?? 0);
    total.frames += Number(frames.frames);
    times.first ??= frames.first;
    times.last = frames.last ?? times.last;
    total.faces += numberOf('faces');
    total.framesWithFaces += numberOf('framesWithFaces');
    total.tracks += tracks;
    valence.add(faces, numberOf('faces'));
    arousal.add(faces, numberOf('faces'));
    for (const [name, sum] of expressions) expressions.set(name, sum + numberOf(`expression_${name}`));
    for (const [name, sum] of quadrants) quadrants.set(name, sum + numberOf(`quadrant_${name}`));
  }

  await inPieces(inquiry, { streamId, range: query }, { read, add });
  const shareOf = (sum: number): number => sum / total.faces;
  const any = total.faces > 0;
  return {
    ...total,
    firstPtsSeconds: times.first,
    lastPtsSeconds: times.last,
    valence: valence.spread,
    arousal: arousal.spread,
    quadrants: any ? Array.from(quadrants, ([name, sum]) => ({ quadrant: name, share: shareOf(sum) })) : [],
    expressions: any ? Array.from(expressions, ([name, sum]) => ({ expression: name, probability: shareOf(sum) })) : [],
  };
}

type Counted = 'faces' | 'framesWithFaces' | `expression_${Expression}` | `quadrant_${Quadrant}`;
/** `trackNumbers` is a JSON array of those that are there. */
type SummaryRow = SpreadRow & Readonly<Record<Counted, number | bigint | null> & { trackNumbers: string }>;

/** How many of the tracks in a JSON array have no face in `rows`. */
async function countNewTracks(database: Database, trackNumbers: string, rows: Prisma.Sql): Promise<number> {
  const [row] = await database.$queryRaw<{ tracks: number | bigint }[]>(
    Prisma.sql`SELECT count(*) AS tracks FROM json_each(${trackNumbers}) AS here
      WHERE NOT EXISTS (SELECT 1 FROM FaceEstimate WHERE ${rows} AND trackNumber = here.value)`,
  );
  return Number(row?.tracks ?? 0);
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
