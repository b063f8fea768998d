import type { FrameEstimate } from '../domain.ts';
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
  const rows = await database.frame.findMany({
    where: {
      streamId,
      ...(afterSequence === undefined ? {} : { sequence: { gt: afterSequence } }),
      ...(fromSeconds === undefined && toSeconds === undefined
        ? {}
        : {
            ptsSeconds: {
              ...(fromSeconds === undefined ? {} : { gte: fromSeconds }),
              ...(toSeconds === undefined ? {} : { lt: toSeconds }),
            },
          }),
      ...(trackNumber === undefined ? {} : { faces: { some: { trackNumber } } }),
    },
    include: {
      faces: { ...(trackNumber === undefined ? {} : { where: { trackNumber } }), orderBy: { trackNumber: 'asc' } },
    },
    orderBy: { sequence: 'asc' },
    take: first + 1,
  });
  return { items: rows.slice(0, first).map(toFrame), hasNextPage: rows.length > first };
}

export async function readFramesAfter(
  database: Database,
  streamId: string,
  { sequence, limit }: { readonly sequence: number; readonly limit: number },
): Promise<readonly FrameEstimate[]> {
  const rows = await database.frame.findMany({
    where: { streamId, sequence: { gt: sequence } },
    include: { faces: { orderBy: { trackNumber: 'asc' } } },
    orderBy: { sequence: 'asc' },
    take: limit,
  });
  return rows.map(toFrame);
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
    include: { faces: { orderBy: { trackNumber: 'asc' } } },
    orderBy: { sequence: 'asc' },
  });
  return rows.map(toFrame);
}

export async function readProgress(database: Database, streamId: string): Promise<StoredProgress> {
  const where = { streamId };
  const last = await database.frame.findFirst({ where, orderBy: { sequence: 'desc' } });
  const counted = await database.frame.aggregate({ where, _count: true, _sum: { faceCount: true } });
  const highest = await database.faceEstimate.aggregate({ where, _max: { trackNumber: true } });
  return {
    frames: counted._count,
    faces: counted._sum.faceCount ?? 0,
    lastSequence: last?.sequence ?? null,
    lastPtsSeconds: last?.ptsSeconds ?? null,
    nextTrackNumber: (highest._max.trackNumber ?? 0) + 1,
  };
}
