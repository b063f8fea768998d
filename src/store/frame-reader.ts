import type { FrameEstimate } from '../domain.ts';
import { type FaceEstimate, type Frame, Prisma } from '../generated/prisma/client.ts';
import { checkFirst, checkRange } from './checks.ts';
import type { Database } from './database.ts';
import type { FrameSums } from './frame-sums.ts';
import { toFrame } from './rows.ts';
import type { FrameQuery, Page, StoredProgress } from './types.ts';

/**
 * A page of a stream's frames in the order of their sequence; never by OFFSET, so that page 10,000 costs as much as 1. Nor
 * does it cost more where the range or the track lies late, is short or empty: its frames are found by seeks.
 */
export async function readFrames(
  database: Database,
  streamId: string,
  query: FrameQuery,
): Promise<Page<FrameEstimate>> {
  const { trackNumber, first } = query;
  checkFirst(first);
  checkRange(query);
  const rows = await database.$queryRaw<Frame[]>(
    trackNumber === undefined ? framesWithin(streamId, query) : framesOfTrack(streamId, query),
  );
  const items = await withFaces(database, rows.slice(0, first), trackNumber);
  return { items, hasNextPage: rows.length > first };
}

/**
 * Times never fall from one sequence to the next (the clocks of files and of live streams see to it), so a range of times is
 * one of sequences; frames of one time stay together. NULL when no frame is so late. One seek.
 */
function firstSequenceAt(streamId: string, seconds: number): Prisma.Sql {
  return Prisma.sql`(SELECT sequence FROM Frame WHERE streamId = ${streamId} AND ptsSeconds >= ${seconds}
    ORDER BY ptsSeconds, sequence LIMIT 1)`;
}

/** A page and one more. Each end is one comparison: of two, SQLite would seek by the one and read on to the other. */
function framesWithin(streamId: string, { fromSeconds, toSeconds, first, afterSequence }: FrameQuery): Prisma.Sql {
  const next = (afterSequence ?? -1) + 1;
  const begin = fromSeconds === undefined ? next : Prisma.sql`max(${next}, ${firstSequenceAt(streamId, fromSeconds)})`;
  const end =
    toSeconds === undefined
      ? Prisma.empty
      : Prisma.sql`AND sequence < coalesce(${firstSequenceAt(streamId, toSeconds)}, ${Number.MAX_SAFE_INTEGER})`;
  return Prisma.sql`SELECT * FROM Frame WHERE streamId = ${streamId} AND sequence >= ${begin} ${end}
    ORDER BY sequence LIMIT ${first + 1}`;
}

/**
 * The same for a track, which has gaps: along its own index, which goes by time. So the cursor counts by the time of the
 * frame behind it (NULL behind the last); its sequence parts frames of one time, and alone would have SQLite look at every
 * face from there on.
 */
function framesOfTrack(streamId: string, query: FrameQuery): Prisma.Sql {
  const { fromSeconds, toSeconds, trackNumber, first, afterSequence } = query;
  const parts = [Prisma.sql`face.streamId = ${streamId} AND face.trackNumber = ${trackNumber}`];
  if (afterSequence !== undefined) {
    const reached = Prisma.sql`(SELECT ptsSeconds FROM Frame WHERE streamId = ${streamId} AND sequence > ${afterSequence}
      ORDER BY sequence LIMIT 1)`;
    const begin = fromSeconds === undefined ? reached : Prisma.sql`max(${fromSeconds}, ${reached})`;
    parts.push(Prisma.sql`face.ptsSeconds >= ${begin} AND face.sequence > ${afterSequence}`);
  } else if (fromSeconds !== undefined) {
    parts.push(Prisma.sql`face.ptsSeconds >= ${fromSeconds}`);
  }
  if (toSeconds !== undefined) parts.push(Prisma.sql`face.ptsSeconds < ${toSeconds}`);
  return Prisma.sql`SELECT Frame.* FROM FaceEstimate AS face JOIN Frame USING (streamId, sequence)
    WHERE ${Prisma.join(parts, ' AND ')} ORDER BY face.ptsSeconds, face.sequence LIMIT ${first + 1}`;
}

export async function readFramesAfter(
  database: Database,
  streamId: string,
  { sequence, limit }: { readonly sequence: number; readonly limit: number },
): Promise<readonly FrameEstimate[]> {
  const rows = await database.frame.findMany({
    where: { streamId, sequence: { gt: sequence } },
    orderBy: { sequence: 'asc' },
    take: limit,
  });
  return withFaces(database, rows);
}

export async function readLastFrames(
  database: Database,
  streamId: string,
  seconds: number,
): Promise<readonly FrameEstimate[]> {
  const last = await database.frame.findFirst({ where: { streamId }, orderBy: { sequence: 'desc' } });
  if (last === null) return [];
  const rows = await database.frame.findMany({
    where: { streamId, ptsSeconds: { gte: last.ptsSeconds - seconds } },
    orderBy: { sequence: 'asc' },
  });
  return withFaces(database, rows);
}

/**
 * Frames of one stream, in order, with their faces, or that of one track alone. Read by the range of their sequence, or
 * where a track's gaps lie between by that of their times: Prisma's `include` sends two parameters a frame and fails beyond
 * 499 of them.
 */
async function withFaces(
  database: Database,
  frames: readonly Frame[],
  trackNumber?: number,
): Promise<readonly FrameEstimate[]> {
  const [first, last] = [frames[0], frames.at(-1)];
  if (first === undefined || last === undefined) return [];
  const range =
    trackNumber === undefined
      ? { sequence: { gte: first.sequence, lte: last.sequence } }
      : { trackNumber, ptsSeconds: { gte: first.ptsSeconds, lte: last.ptsSeconds } };
  const rows = await database.faceEstimate.findMany({
    where: { streamId: first.streamId, ...range },
    orderBy: [{ sequence: 'asc' }, { trackNumber: 'asc' }],
  });
  const facesOf = new Map<number, FaceEstimate[]>(frames.map(({ sequence }) => [sequence, []]));
  for (const row of rows) facesOf.get(row.sequence)?.push(row);
  return frames.map((frame) => toFrame({ ...frame, faces: facesOf.get(frame.sequence) ?? [] }));
}

/**
 * Seeks alone, but for the sums. Frames have no gap and go from the first one on, as an erasure that was interrupted leaves
 * them, so the ends tell their number.
 */
export async function readProgress(database: Database, sums: FrameSums, streamId: string): Promise<StoredProgress> {
  const [ends] = await database.$queryRaw<Record<'first' | 'last' | 'track', number | bigint | null>[]>(
    Prisma.sql`SELECT (SELECT min(sequence) FROM Frame WHERE streamId = ${streamId}) AS first,
      (SELECT max(sequence) FROM Frame WHERE streamId = ${streamId}) AS last,
      (SELECT max(trackNumber) FROM FaceEstimate WHERE streamId = ${streamId}) AS track`,
  );
  const nextTrackNumber = Number(ends?.track ?? 0) + 1;
  if (ends === undefined || ends.first === null || ends.last === null) {
    return { frames: 0, faces: 0, skipped: 0, lastSequence: null, lastPtsSeconds: null, nextTrackNumber };
  }
  const [firstSequence, lastSequence] = [Number(ends.first), Number(ends.last)];
  const last = await database.frame.findUnique({
    where: { streamId_sequence: { streamId, sequence: lastSequence } },
    select: { ptsSeconds: true },
  });
  return {
    frames: lastSequence - firstSequence + 1,
    ...(await sums.of(streamId, { firstSequence, lastSequence })),
    lastSequence,
    lastPtsSeconds: last?.ptsSeconds ?? null,
    nextTrackNumber,
  };
}
