/** The folder that belongs to one process at a time: the database and the uploads in flight. */
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { AppError } from './errors.ts';

interface LockDatabase {
  pragma(text: string): unknown;
  exec(sql: string): unknown;
  close(): void;
}

// The package carries no types of its own, and these three methods are all that is needed.
const Database = createRequire(import.meta.url)('better-sqlite3') as new (
  path: string,
  options: { readonly timeout: number },
) => LockDatabase;

/**
 * Makes the folder when it is missing and takes it for this process until it is disposed of. Two servers over one folder
 * would both take up the same unfinished jobs. The lock is SQLite's own on an empty database, because the system lets go
 * of it when a process dies in whatever way; a file with a process id in it would outlive a `kill -9`.
 * Errors: CONFIG_INVALID when it cannot be written to, or when another process has it.
 */
export async function takeDataFolder(folder: string): Promise<AsyncDisposable> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `The data folder ${folder} cannot be made; set DATA_DIR to another.`, {
      cause,
    });
  }
  let lock: LockDatabase | null = null;
  try {
    lock = new Database(join(folder, 'lock.db'), { timeout: 0 });
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock?.close();
    throw lockError(folder, cause);
  }
  const held = lock;
  return {
    [Symbol.asyncDispose]: async () => held.close(),
  };
}

function lockError(folder: string, cause: unknown): AppError {
  const code = String((cause as { readonly code?: unknown }).code);
  if (code === 'SQLITE_BUSY') {
    const message = `Another circumplex server works in the data folder ${folder}; stop it, or set DATA_DIR to another.`;
    return new AppError('CONFIG_INVALID', message, { cause });
  }
  if (code.startsWith('SQLITE')) {
    const message = `The data folder ${folder} cannot be written to; mend its rights, or set DATA_DIR to another.`;
    return new AppError('CONFIG_INVALID', message, { cause });
  }
  const message = 'The SQLite module cannot be loaded; install the packages of circumplex again, with their scripts.';
  return new AppError('STORE_FAILED', message, { cause });
}
