import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../errors.ts';
import type { Database } from './database.ts';

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

/** Prisma's own bookkeeping, so that its command line agrees with us about what was applied. */
const BOOK = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
)`;

/**
 * Applies the migrations of a folder that the database does not have yet, each in a transaction of its own, and records
 * them as Prisma does. Two processes that start at once apply each only once. Resolves with the names applied. Errors:
 * STORE_FAILED when the database is newer than this program, or a migration fails.
 */
export async function migrate(database: Database, folder: string): Promise<readonly string[]> {
  const migrations = await readMigrations(folder);
  await database.$executeRawUnsafe(BOOK);
  const known = new Set(migrations.map(({ name }) => name));
  const applied = await appliedNames(database);
  const strange = [...applied].find((name) => !known.has(name));
  if (strange !== undefined) {
    throw new AppError(
      'STORE_FAILED',
      `The database was made by a newer version of this program (it has the migration ${strange}); update the program, or set another DATABASE_URL.`,
    );
  }
  const done: string[] = [];
  for (const migration of migrations) {
    if (applied.has(migration.name)) continue;
    if (await apply(database, migration)) done.push(migration.name);
  }
  return done;
}

/** Errors: STORE_FAILED when the database does not have exactly the migrations of a folder. */
export async function checkMigrated(database: Database, folder: string): Promise<void> {
  const applied = await appliedNames(database).catch(() => new Set<string>());
  const names = new Set((await readMigrations(folder)).map(({ name }) => name));
  if (names.size === applied.size && [...names].every((name) => applied.has(name))) return;
  throw new AppError(
    'STORE_FAILED',
    'The database is of another version of this program; start the server of this version once, which brings it up to date.',
  );
}

async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new AppError('STORE_FAILED', `The folder of migrations ${folder} is missing; install the program anew.`, {
      cause,
    });
  });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function appliedNames(database: Pick<Database, '$queryRawUnsafe'>): Promise<ReadonlySet<string>> {
  const rows = await database.$queryRawUnsafe<{ migration_name: string }[]>(
    'SELECT migration_name FROM "_prisma_migrations" WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
  );
  return new Set(rows.map(({ migration_name }) => migration_name));
}

/** False when another process was faster. */
async function apply(database: Database, { name, sql, checksum }: Migration): Promise<boolean> {
  return database.$transaction(async (transaction) => {
    // The write comes first, so that the lock is taken before the look.
    const id = randomUUID();
    await transaction.$executeRawUnsafe(
      'INSERT INTO "_prisma_migrations" (id, checksum, migration_name, started_at) VALUES (?, ?, ?, ?)',
      id,
      checksum,
      name,
      Date.now(),
    );
    if ((await appliedNames(transaction)).has(name)) {
      await transaction.$executeRawUnsafe('DELETE FROM "_prisma_migrations" WHERE id = ?', id);
      return false;
    }
    const statements = sql.split(/;\s*$/m).map((text) => text.replace(/^\s*--.*$/gm, '').trim());
    for (const statement of statements) if (statement !== '') await transaction.$executeRawUnsafe(statement);
    await transaction.$executeRawUnsafe(
      'UPDATE "_prisma_migrations" SET finished_at = ?, applied_steps_count = 1 WHERE id = ?',
      Date.now(),
      id,
    );
    return true;
  }, LIMITS);
}

/** Ten minutes: a migration may rewrite a year of frames, and a second process waits for it. */
const LIMITS = { timeout: 600_000, maxWait: 600_000 };
