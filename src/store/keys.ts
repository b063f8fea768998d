/** Keys and what is stored under them. */
import { type ApiKeyRecord, STREAM_ENDINGS } from '../domain.ts';
import { AppError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';
import { toKey } from './rows.ts';

export async function listKeys(database: Database): Promise<readonly ApiKeyRecord[]> {
  return (await database.apiKey.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })).map(toKey);
}

export async function revokeKey(database: Database, id: string, revokedAt: Date): Promise<ApiKeyRecord> {
  await database.apiKey.updateMany({ where: { id, revokedAt: null }, data: { revokedAt } });
  const row = await database.apiKey.findUnique({ where: { id } });
  if (row === null) throw new AppError('NOT_FOUND', `There is no key ${JSON.stringify(id)}.`);
  return toKey(row);
}

/** SQLite's own number for that. It stays the same when this connection writes. */
export async function readForeignChanges(database: Database): Promise<number> {
  const [row] = await database.$queryRawUnsafe<{ data_version: number | bigint }[]>('PRAGMA data_version');
  return Number(row?.data_version ?? 0);
}

export async function countOpenStreams(database: Database, ownerKeyId: string): Promise<number> {
  // The plus keeps SQLite from walking all streams of the key: those that have not ended are few.
  const [row] = await database.$queryRaw<{ count: number | bigint }[]>`
    SELECT count(*) AS count FROM Stream
    WHERE status NOT IN (${Prisma.join([...STREAM_ENDINGS])}) AND +ownerKeyId = ${ownerKeyId}`;
  return Number(row?.count ?? 0);
}

/** A sequence has no gaps, so the last one of each stream tells; to count the rows would take seconds for a year of frames. */
export async function countStoredFrames(database: Database, ownerKeyId: string): Promise<number> {
  const [row] = await database.$queryRaw<{ frames: number | bigint | null }[]>`
    SELECT sum((SELECT coalesce(max(sequence) + 1, 0) FROM Frame WHERE streamId = Stream.id)) AS frames
    FROM Stream WHERE ownerKeyId = ${ownerKeyId}`;
  return Number(row?.frames ?? 0);
}
