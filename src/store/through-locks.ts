import { setTimeout as pause } from 'node:timers/promises';

/** How long the database may be another program's (a backup, a shell) before work on it fails. */
const LOCK_WAIT_MS = 5_000;
const RETRY_MS = 100;

/**
 * Runs work again for as long as another program has the database locked, 5 s at most. SQLite's own way to wait would
 * hold our thread, and everybody on it: with `busy_timeout` at 5 s a lock of 3 s kept /healthz silent for as long and
 * had keep-alive connections cut. `work` must be one statement or one transaction, or harmless to begin anew.
 */
export async function throughLocks<T>(work: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (!isLocked(thrown) || performance.now() >= endMs) throw thrown;
      await pause(RETRY_MS);
    }
  }
}

/** Whether SQLite refused because another program has the lock; Prisma hides that in the facts of its adapter. */
export function isLocked(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || !('meta' in thrown)) return false;
  const { driverAdapterError } = (thrown.meta ?? {}) as { driverAdapterError?: { cause?: { originalCode?: unknown } } };
  return String(driverAdapterError?.cause?.originalCode ?? '').startsWith('SQLITE_BUSY');
}
