import type { StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { checkFirst } from './checks.ts';
import { type Database, emptyLog } from './database.ts';
import { streamRow, toStream } from './rows.ts';
import type { DeletedCounts, Page, StreamPatch, StreamQuery } from './types.ts';

/** Frames erased in one statement: with their faces some 10 ms of our thread. */
const DELETED_AT_ONCE = 1000;

export async function updateStream(database: Database, id: string, patch: StreamPatch): Promise<StreamRecord> {
  const row = await database.stream.findUnique({ where: { id } });
  if (row === null) throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(id)}.`);
  const { id: _, ...data } = streamRow({ ...toStream(row), ...patch });
  return toStream(await database.stream.update({ where: { id }, data }));
}

/** Newest first. */
export async function listStreams(
  database: Database,
  { first, after, statuses }: StreamQuery,
): Promise<Page<StreamRecord>> {
  checkFirst(first);
  const conditions: Prisma.StreamWhereInput[] = [];
  if (statuses !== undefined) conditions.push({ status: { in: [...statuses] } });
  if (after !== undefined) {
    const { createdAt, id } = after;
    conditions.push({ OR: [{ createdAt: { lt: createdAt } }, { createdAt, id: { lt: id } }] });
  }
  const rows = await database.stream.findMany({
    where: { AND: conditions },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    take: first + 1,
  });
  return { items: rows.slice(0, first).map(toStream), hasNextPage: rows.length > first };
}

export async function unfinishedStreams(database: Database): Promise<readonly StreamRecord[]> {
  const rows = await database.stream.findMany({
    where: { status: { in: ['QUEUED', 'RUNNING'] } },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  });
  return rows.map(toStream);
}

/**
 * Erases in steps, so that other work gets its turn between them. A process that ends in the middle leaves a stream with
 * its later frames, which can be deleted again. Errors: NOT_FOUND.
 */
export async function deleteStream(
  database: Database,
  id: string,
  step: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<DeletedCounts> {
  const before = await step(async () => {
    if ((await database.stream.findUnique({ where: { id } })) === null) {
      throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(id)}.`);
    }
    const [counts] = await database.$queryRaw<{ faces: number | bigint; tracks: number | bigint }[]>`
      SELECT count(*) AS faces, count(DISTINCT trackNumber) AS tracks FROM FaceEstimate WHERE streamId = ${id}`;
    return { faces: Number(counts?.faces ?? 0), tracks: Number(counts?.tracks ?? 0) };
  });
  let frames = 0;
  let deleted: number;
  do {
    deleted = await step(
      () => database.$executeRaw`DELETE FROM Frame WHERE streamId = ${id} AND sequence IN
        (SELECT sequence FROM Frame WHERE streamId = ${id} ORDER BY sequence LIMIT ${DELETED_AT_ONCE})`,
    );
    frames += deleted;
  } while (deleted > 0);
  await step(() => database.stream.deleteMany({ where: { id } }));
  await step(() => emptyLog(database));
  return { frames, ...before };
}
