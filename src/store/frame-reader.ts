import type { FrameEstimate } from '../domain.ts';
import type { FaceEstimate, Frame } from '../generated/prisma/client.ts';
import { checkFirst, checkRange } from './checks.ts';
import type { Database } from './database.ts';
import { toFrame } from './rows.ts';
import type { FrameQuery, Page, StoredProgress } from './types.ts';

/** A page of a stream's frames in the order of their sequence; never by OFFSET, so that page 10,000 costs as much as 1. */
export async function readFrames(
  database: Database,
  streamId: string,
  query: FrameQuery,
): Promise<Page<FrameEstimate>> {
  const { fromSeconds, toSeconds, trackNumber, first, afterSequence } = query;
  checkFirst(first);
  checkRange(query);
  const ptsSeconds = {
    ...(fromSeconds === undefined ? {} : { gte: fromSeconds }),
    ...(toSeconds === undefined ? {} : { lt: toSeconds }),
  };
  const rows = await database.frame.findMany({
    where: {
      streamId,
      ptsSeconds,
      ...(afterSequence === undefined ? {} : { sequence: { gt: afterSequence } }),
      ...(trackNumber === undefined ? {} : { faces: { some: { trackNumber } } }),
    },
    orderBy: { sequence: 'asc' },
    take: first + 1,
  });
  const items = await withFaces(database, rows.slice(0, first), trackNumber);
  return { items, hasNextPage: rows.length > first };
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
 * Frames of one stream, in order, with their faces, or that of one track alone. Read by the range of their sequence:
 * Prisma's `include` sends two parameters a frame and fails beyond 499 of them.
 */
async function withFaces(
  database: Database,
  frames: readonly Frame[],
  trackNumber?: number,
): Promise<readonly FrameEstimate[]> {
  const [first, last] = [frames[0], frames.at(-1)];
  if (first === undefined || last === undefined) return [];
  const rows = await database.faceEstimate.findMany({
    where: {
      streamId: first.streamId,
      sequence: { gte: first.sequence, lte: last.sequence },
      ...(trackNumber === undefined ? {} : { trackNumber }),
    },
    orderBy: [{ sequence: 'asc' }, { trackNumber: 'asc' }],
  });
  const facesOf = new Map<number, FaceEstimate[]>(frames.map(({ sequence }) => [sequence, []]));
  for (const row of rows) facesOf.get(row.sequence)?.push(row);
  return frames.map((frame) => toFrame({ ...frame, faces: facesOf.get(frame.sequence) ?? [] }));
}

export async function readProgress(database: Database, streamId: string): Promise<StoredProgress> {
  const where = { streamId };
  const last = await database.frame.findFirst({ where, orderBy: { sequence: 'desc' } });
  const counted = await database.frame.aggregate({
    where,
    _count: true,
    _sum: { faceCount: true, skippedBefore: true },
  });
  const highest = await database.faceEstimate.aggregate({ where, _max: { trackNumber: true } });
  return {
    frames: counted._count,
    faces: counted._sum.faceCount ?? 0,
    skipped: counted._sum.skippedBefore ?? 0,
    lastSequence: last?.sequence ?? null,
    lastPtsSeconds: last?.ptsSeconds ?? null,
    nextTrackNumber: (highest._max.trackNumber ?? 0) + 1,
  };
}
