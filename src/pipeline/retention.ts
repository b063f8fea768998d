/** Erases what has outlived its time: streams and pictures that ended longer ago than they may be kept. */
import { toAppError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/index.ts';
import type { RetentionStatistics } from './types.ts';

export interface RetentionOptions {
  readonly store: Pick<Store, 'expiredStreams' | 'deleteStream' | 'deleteImagesBefore' | 'finishErasures'>;
  readonly log: Log;
  /** Age limit of everything, in days since its end; 0 leaves what has no limit of its own. */
  readonly retentionDays: number;
  /** Pause between two sweeps. Default ten minutes: what is due is late by that at most. */
  readonly intervalMs?: number;
}

export interface Retention extends AsyncDisposable {
  /** Erases everything that is due, or waits for a sweep that is doing so. Never rejects; failures are logged. */
  sweep(): Promise<void>;
  statistics(): RetentionStatistics;
}

const SWEEP_INTERVAL_MS = 10 * 60 * 1000;
/** Streams looked up at once; each is erased on its own. */
const STREAMS_AT_ONCE = 100;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Sweeps now and from time to time until it is disposed of, which ends a sweep between two of its steps. Only ended
 * streams are looked at, so nothing that runs or waits is touched.
 */
export function startRetention(options: RetentionOptions): Retention {
  const { store, log, retentionDays, intervalMs = SWEEP_INTERVAL_MS } = options;
  const closing = new AbortController();
  const erased = { streams: 0, frames: 0, images: 0, failures: 0 };
  let sweptAt: Date | null = null;
  let sweeping: Promise<void> | null = null;

  async function eraseStreams(now: Date): Promise<void> {
    const expiry = { now, retentionDays: retentionDays === 0 ? null : retentionDays };
    for (;;) {
      const due = await store.expiredStreams(expiry, STREAMS_AT_ONCE);
      for (const streamId of due) await eraseStream(streamId);
      if (due.length < STREAMS_AT_ONCE) return;
    }
  }

  async function eraseStream(streamId: string): Promise<void> {
    try {
      const { frames } = await store.deleteStream(streamId, closing.signal);
      erased.streams += 1;
      erased.frames += frames;
      log.debug({ streamId, frames }, 'erased a stream because of its age');
    } catch (thrown) {
      // A client was faster.
      if (toAppError(thrown).code !== 'NOT_FOUND') throw thrown;
    }
  }

  async function eraseImages(now: Date): Promise<void> {
    if (retentionDays === 0) return;
    const oldest = new Date(now.getTime() - retentionDays * DAY_MS);
    erased.images += await store.deleteImagesBefore(oldest, closing.signal);
  }

  async function run(): Promise<void> {
    const before = { ...erased };
    const now = new Date();
    try {
      await eraseStreams(now);
      await eraseImages(now);
      if (!(await store.finishErasures())) {
        log.warn('another program reads the database: erased rows stay in its write-ahead log until the next sweep');
      }
      sweptAt = now;
    } catch (err) {
      if (closing.signal.aborted) return;
      erased.failures += 1;
      log.error({ err }, 'what is older than its retention could not all be erased; the next sweep tries again');
    }
    const [streams, images] = [erased.streams - before.streams, erased.images - before.images];
    if (streams + images > 0) log.info({ streams, images }, 'erased what was older than its retention');
  }

  async function sweep(): Promise<void> {
    if (closing.signal.aborted) return;
    sweeping ??= run().finally(() => {
      sweeping = null;
    });
    await sweeping;
  }

  const timer = setInterval(() => void sweep(), intervalMs);
  timer.unref();
  void sweep();
  return {
    sweep,
    statistics: () => ({ ...erased, sweptAt }),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      closing.abort();
      await sweeping;
    },
  };
}
