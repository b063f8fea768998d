import { STREAM_ENDINGS, STREAM_STATUSES, type StreamRecord, type StreamStatus } from '../domain.ts';
import { AppError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { checkFirst } from './checks.ts';
import type { Database } from './database.ts';
import type { Erasing } from './erasing.ts';
import { NEWEST_FIRST, olderThan } from './newest-first.ts';
import { streamRow, toStream } from './rows.ts';
import type { DeletedCounts, Expiry, Page, StreamPatch, StreamQuery } from './types.ts';

/** Frames erased in one statement: with their faces some 10 ms of our thread. */
const DELETED_AT_ONCE = 1000;
const ENDINGS: ReadonlySet<string> = new Set(STREAM_ENDINGS);

export async function updateStream(database: Database, id: string, patch: StreamPatch): Promise<StreamRecord> {
  const row = await database.stream.findUnique({ where: { id } });
  if (row === null) throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(id)}.`);
  const stream = { ...toStream(row), ...patch, revision: row.revision + 1 };
  const { id: _, ...data } = streamRow(stream);
  // An ended stream is never opened again, so nobody needs its credentials.
  const forgotten = ENDINGS.has(stream.status) ? { secretAddress: null } : {};
  return toStream(await database.stream.update({ where: { id }, data: { ...data, ...forgotten } }));
}

/** Newest first. */
export async function listStreams(
  database: Database,
  { first, after, statuses, ownerKeyId }: StreamQuery,
): Promise<Page<StreamRecord>> {
  checkFirst(first);
  const conditions: Prisma.StreamWhereInput[] = [];
  if (ownerKeyId !== undefined) conditions.push({ ownerKeyId });
  if (statuses !== undefined) conditions.push({ status: { in: [...statuses] } });
  if (after !== undefined) conditions.push(olderThan(after));
  const rows = await database.stream.findMany({
    where: { AND: conditions },
    orderBy: [...NEWEST_FIRST],
    take: first + 1,
  });
  return { items: rows.slice(0, first).map(toStream), hasNextPage: rows.length > first };
}

export async function unfinishedStreams(database: Database): Promise<readonly StreamRecord[]> {
  const rows = await database.stream.findMany({
    where: { status: { notIn: [...STREAM_ENDINGS] } },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  });
  return rows.map(toStream);
}

export async function countStreams(database: Database): Promise<Readonly<Record<StreamStatus, number>>> {
  const rows = await database.$queryRaw<{ status: StreamStatus; count: number | bigint }[]>`
    SELECT status, count(*) AS count FROM Stream GROUP BY status`;
  const counts = Object.fromEntries(STREAM_STATUSES.map((status) => [status, 0])) as Record<StreamStatus, number>;
  for (const { status, count } of rows) counts[status] = Number(count);
  return counts;
}

/** Longer than any limit that may be set. */
const NEVER_DAYS = 1e6;

/** A stream's own limit may only be shorter than the one for all. The days are compared as SQLite's julian ones. */
export async function expiredStreams(
  database: Database,
  { now, retentionDays }: Expiry,
  limit: number,
): Promise<readonly string[]> {
  const rows = await database.$queryRaw<{ id: string }[]>`
    SELECT id FROM Stream WHERE status IN (${Prisma.join([...STREAM_ENDINGS])}) AND
      julianday(endedAt) + min(coalesce(retentionDays, ${NEVER_DAYS}), ${retentionDays ?? NEVER_DAYS})
        < julianday(${now.toISOString()})
    ORDER BY endedAt LIMIT ${limit}`;
  return rows.map(({ id }) => id);
}

/**
 * Erases in steps, so that other work gets its turn between them. A process that ends in the middle leaves a stream with
 * its later frames, which can be deleted again. Errors: NOT_FOUND, and what a step throws.
 */
export async function deleteStream(
  database: Database,
  id: string,
  { step, emptyLog }: Erasing,
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
  await emptyLog();
  return { frames, ...before };
}
