import { existsSync } from 'node:fs';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { AppError } from '../errors.ts';
import { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { throughLocks } from './through-locks.ts';

export type Database = PrismaClient;

/**
 * WAL lets readers and the writer work side by side and makes a commit one append. NORMAL syncs at checkpoints: a killed
 * process loses nothing, a power cut may lose the last moments. Erased rows are overwritten, because they are estimates
 * of people. 16 MiB of page cache bounds memory whatever the history's size. SQLite waits for locks of other processes on
 * our thread, where everybody waits with it, so it does so for a moment only; `throughLocks` waits for longer ones.
 */
const BUSY_TIMEOUT_MS = 20;
const PRAGMAS = [
  `busy_timeout = ${BUSY_TIMEOUT_MS}`,
  'journal_mode = WAL',
  'synchronous = NORMAL',
  'foreign_keys = ON',
  'secure_delete = ON',
  'cache_size = -16384',
  'journal_size_limit = 67108864',
];

/** Beside a server at work, whose settings these are as well. */
const READING_PRAGMAS = [`busy_timeout = ${BUSY_TIMEOUT_MS}`, 'query_only = ON', 'cache_size = -16384'];

/**
 * Opens the SQLite file of a `file:` URL, making it when missing unless it must exist. Errors:
 * CONFIG_INVALID, STORE_FAILED.
 */
export async function openDatabase(url: string, { readOnly = false, mustExist = false } = {}): Promise<Database> {
  if (!/^file:.+/.test(url)) {
    throw new AppError('CONFIG_INVALID', 'DATABASE_URL must be file:PATH; only SQLite is supported.');
  }
  if (mustExist && !existsSync(url.replace(/^file:/, ''))) {
    throw new AppError('STORE_FAILED', `There is no database ${url}; set DATA_DIR or DATABASE_URL to the server's.`);
  }
  const database = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url }) });
  try {
    for (const pragma of readOnly ? READING_PRAGMAS : PRAGMAS) {
      await throughLocks(() => database.$queryRawUnsafe(`PRAGMA ${pragma}`));
    }
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
 * Runs a query, through the locks of other programs unless told not to, and turns what the database throws into
 * STORE_FAILED; what is an AppError already stays as it is.
 */
export async function guarded<T>(what: string, work: () => Promise<T>, { waits = true } = {}): Promise<T> {
  try {
    return await (waits ? throughLocks(work) : work());
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError(
      'STORE_FAILED',
      `The database could not ${what}; see that its disk is not full, then try again.`,
      {
        cause: withoutValues(cause),
      },
    );
  }
}

/**
 * Causes go to the log. Prisma repeats the whole call that it does not accept, names and estimates of people with it;
 * the last line alone says what is wrong.
 */
function withoutValues(cause: unknown): unknown {
  if (!(cause instanceof Prisma.PrismaClientValidationError)) return cause;
  return new Error(`${cause.name}: ${cause.message.trimEnd().split('\n').at(-1)}`);
}

/**
 * Moves everything into the database file and empties the log, where the pages of erased rows would still be. False when
 * another process reads the database now.
 */
export async function emptyLog(database: Database): Promise<boolean> {
  const [row] = await database.$queryRawUnsafe<{ busy: number | bigint }[]>('PRAGMA wal_checkpoint(TRUNCATE)');
  return Number(row?.busy ?? 0) === 0;
}

/** Really writes a page: a number of the file's head that nobody here uses gets the value that it has. */
export async function writeProbe(database: Database): Promise<void> {
  const [row] = await database.$queryRawUnsafe<{ user_version: number | bigint }[]>('PRAGMA user_version');
  await database.$executeRawUnsafe(`PRAGMA user_version = ${Number(row?.user_version ?? 0)}`);
}
