import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { AppError } from '../errors.ts';
import { PrismaClient } from '../generated/prisma/client.ts';

export type Database = PrismaClient;

/**
 * WAL lets readers and the writer work side by side and makes a commit one append. NORMAL syncs at checkpoints: a killed
 * process loses nothing, a power cut may lose the last moments. Erased rows are overwritten, because they are estimates
 * of people. 16 MiB of page cache bounds memory whatever the history's size.
 */
const PRAGMAS = [
  'busy_timeout = 5000',
  'journal_mode = WAL',
  'synchronous = NORMAL',
  'foreign_keys = ON',
  'secure_delete = ON',
  'cache_size = -16384',
  'journal_size_limit = 67108864',
];

/** Opens the SQLite file of a `file:` URL, making it when missing. Errors: CONFIG_INVALID, STORE_FAILED. */
export async function openDatabase(url: string): Promise<Database> {
  if (!/^file:.+/.test(url)) {
    throw new AppError('CONFIG_INVALID', 'DATABASE_URL must be file:PATH; only SQLite is supported.');
  }
  const database = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url }) });
  try {
    for (const pragma of PRAGMAS) await database.$queryRawUnsafe(`PRAGMA ${pragma}`);
    return database;
  } catch (cause) {
    await database.$disconnect();
    throw new AppError(
      'STORE_FAILED',
      `The database ${url} cannot be opened; see that its folder exists and is writable.`,
      {
        cause,
      },
    );
  }
}

/**
 * Empties the write-ahead log into the database: until then erased rows would still stand in it. A reader outside of this
 * process that is at work at the moment keeps it from being emptied; the next checkpoint does it.
 */
export async function emptyLog(database: Database): Promise<void> {
  await database.$queryRawUnsafe('PRAGMA wal_checkpoint(TRUNCATE)');
}

/** Runs a query and turns what the database throws into STORE_FAILED; what is an AppError already stays as it is. */
export async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError(
      'STORE_FAILED',
      `The database could not ${what}; see that its disk is not full, then try again.`,
      {
        cause,
      },
    );
  }
}
