import { AppError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';
import type { TimeRange } from './types.ts';

/** Frames that are read at once: with a face each, some 20 ms of our thread for a summary. */
const PIECE_FRAMES = 4000;

/** Where a question is asked whose answer takes long. */
export interface Inquiry {
  readonly database: Database;
  /** Runs one piece of it in its turn. */
  readonly turn: <T>(work: () => Promise<T>) => Promise<T>;
}

/** A range of a stream's times, as conditions of SQL. */
export function within(streamId: string, { fromSeconds, toSeconds }: TimeRange): Prisma.Sql {
  const parts = [Prisma.sql`streamId = ${streamId}`];
  if (fromSeconds !== undefined) parts.push(Prisma.sql`ptsSeconds >= ${fromSeconds}`);
  if (toSeconds !== undefined) parts.push(Prisma.sql`ptsSeconds < ${toSeconds}`);
  return Prisma.join(parts, ' AND ');
}

export interface Piece extends TimeRange {
  /** Whether the range begins with it. */
  readonly isFirst: boolean;
}

/**
 * Calls `read` for one part of a range after the other, each in a turn of its own, and `add` with what it gave, so that a
 * year of frames keeps nobody out. Parts join without gap or overlap; frames of one time are in one part. A part may be read
 * again where the database was locked in the middle of it. Errors: NOT_FOUND when the stream is erased meanwhile, those
 * of `read`.
 */
export async function inPieces<T>(
  { database, turn }: Inquiry,
  { streamId, range }: { readonly streamId: string; readonly range: TimeRange },
  { read, add }: { readonly read: (piece: Piece) => Promise<T>; readonly add: (part: T) => void },
): Promise<void> {
  const first = (at: TimeRange): Promise<number | null> => firstSequence(database, within(streamId, at));
  const { beginning, begin } = await turn(async () => ({ beginning: await first({}), begin: await first(range) }));
  let { fromSeconds } = range;
  for (let index = 0; ; index++) {
    const { part, toSeconds } = await turn(async () => {
      // Frames are erased from the first one on.
      if (index > 0 && (await first({})) !== beginning) throw erasedMeanwhile();
      const next = begin === null ? null : await timeOf(database, streamId, begin + (index + 1) * PIECE_FRAMES);
      const end = next !== null && next < (range.toSeconds ?? Number.POSITIVE_INFINITY) ? next : undefined;
      const piece = { ...bounds(fromSeconds, end ?? range.toSeconds), isFirst: index === 0 };
      return { part: await read(piece), toSeconds: end };
    });
    add(part);
    if (toSeconds === undefined) return;
    fromSeconds = toSeconds;
  }
}

function bounds(fromSeconds: number | undefined, toSeconds: number | undefined): TimeRange {
  return { ...(fromSeconds === undefined ? {} : { fromSeconds }), ...(toSeconds === undefined ? {} : { toSeconds }) };
}

async function firstSequence(database: Database, frames: Prisma.Sql): Promise<number | null> {
  const [row] = await database.$queryRaw<{ sequence: number | bigint }[]>(
    Prisma.sql`SELECT sequence FROM Frame WHERE ${frames} ORDER BY ptsSeconds, sequence LIMIT 1`,
  );
  return row === undefined ? null : Number(row.sequence);
}

/** `null` when there is no such frame: what is stored of a stream has no gap, so there is none after it. */
async function timeOf(database: Database, streamId: string, sequence: number): Promise<number | null> {
  const [row] = await database.$queryRaw<{ ptsSeconds: number }[]>(
    Prisma.sql`SELECT ptsSeconds FROM Frame WHERE streamId = ${streamId} AND sequence = ${sequence}`,
  );
  return row?.ptsSeconds ?? null;
}

function erasedMeanwhile(): AppError {
  return new AppError('NOT_FOUND', 'The stream was erased while its frames were counted.');
}
