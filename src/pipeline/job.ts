/** A stream at work, and its way from its stored record to its stored end. */
import { STREAM_ENDINGS, type StreamRecord, type StreamStatus, type StreamWarning } from '../domain.ts';
import { toAppError } from '../errors.ts';
import { backoffMs, pause } from '../flow/index.ts';
import type { Log } from '../log.ts';
import type { Hub } from '../publish/index.ts';
import type { Store } from '../store/index.ts';
import type { LiveProgress } from './progress.ts';

/** Why a job ends early: a stop makes the stream STOPPED, a shutdown leaves its status for the next start. */
export type JobEnd = 'stop' | 'shutdown';

/** A stop waits this long for the frames in flight, which take a fraction of a second unless a worker hangs. */
export const STOP_GRACE_MS = 5000;
/** Share of the time for a shutdown that frames in flight may take; the rest is for closing what they need. */
export const SHUTDOWN_GRACE_SHARE = 0.5;

/** Between two tries to store how a stream ended; until then its place, its upload and its subscribers stay. */
const END_WAIT = { firstMs: 500, maxMs: 30_000 };

const ENDED: ReadonlySet<StreamStatus> = new Set(STREAM_ENDINGS);

export function hasEnded(stream: Pick<StreamRecord, 'status'>): boolean {
  return ENDED.has(stream.status);
}

export class Job {
  readonly id: string;
  /** The figures while it runs. */
  progress: LiveProgress | null = null;
  /** All warnings of the stream once its run is over; `null` before. */
  warnings: readonly StreamWarning[] | null = null;
  /** Settles, never rejects, when nothing of the job works any more and its status is stored. */
  done: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  readonly #shutdown = new AbortController();
  #endedBy: JobEnd | null = null;

  constructor(id: string) {
    this.id = id;
  }

  /** Ends the reading of frames; what is in flight is finished. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Ends the scoring as well. */
  get abort(): AbortSignal {
    return this.#abort.signal;
  }

  /** Fires when the server is stopping, whatever ended the job before. */
  get shutdown(): AbortSignal {
    return this.#shutdown.signal;
  }

  get endedBy(): JobEnd | null {
    return this.#endedBy;
  }

  /** Asks it to end; what is in flight gets no limit by this. */
  ask(by: JobEnd): void {
    this.#endedBy ??= by;
    this.#stop.abort();
    if (by === 'shutdown') this.#shutdown.abort();
  }

  /** Ends it and resolves once nothing of it works any more; what is in flight is broken off after `graceMs`. */
  async end(by: JobEnd, graceMs: number): Promise<void> {
    this.ask(by);
    const timer = setTimeout(() => this.#abort.abort(), graceMs);
    await this.done;
    clearTimeout(timer);
  }
}

export interface EndingParts {
  readonly store: Store;
  readonly hub: Hub;
  readonly uploads: { remove(id: string): Promise<boolean> };
  readonly log: Log;
}

/**
 * Runs `work` over the stream that `stored` resolves to, then stores and publishes how it ended, unless a shutdown ended
 * it; a database that cannot take the end is asked again until it can. Never rejects.
 */
export async function carryOut(
  parts: EndingParts,
  { job, stored }: { readonly job: Job; readonly stored: Promise<StreamRecord> },
  work: (stream: StreamRecord) => Promise<void>,
): Promise<void> {
  const { log } = parts;
  let stream: StreamRecord;
  try {
    stream = await stored;
  } catch {
    return; // Whoever made the stream has the error in hand; there is nothing to run.
  }
  let end: StreamEnd;
  try {
    await work(stream);
    end = { status: job.endedBy === 'stop' ? 'STOPPED' : 'COMPLETED' };
  } catch (thrown) {
    end = endOf(thrown);
  }
  for (let tries = 1; ; tries += 1) {
    try {
      if (job.endedBy === 'shutdown') await leave();
      else await finishStream(parts, job, end);
      return;
    } catch (cause) {
      const willPass = toAppError(cause).code === 'STORE_FAILED' && !job.shutdown.aborted;
      const what = willPass ? 'it is tried again' : 'the next start resumes it';
      log.error({ streamId: stream.id, err: cause }, `the end of a stream could not be stored; ${what}`);
      if (!willPass) return;
      await pause(backoffMs(tries, END_WAIT), job.shutdown);
    }
  }

  /** The next start goes on with it: what was read will not be read again, so its faults are kept now. */
  async function leave(): Promise<unknown> {
    const { warnings } = job;
    return warnings === null ? undefined : parts.store.updateStream(stream.id, { warnings });
  }

  function endOf(thrown: unknown): StreamEnd {
    if (job.endedBy !== null) return { status: 'STOPPED' };
    const { code, message } = toAppError(thrown);
    log.warn({ streamId: stream.id, code, err: thrown }, 'stream failed');
    return { status: 'FAILED', error: { code, message } };
  }
}

export type StreamEnd = Pick<StreamRecord, 'status'> & Partial<Pick<StreamRecord, 'error'>>;

/** Stores the end of a stream, removes its file, publishes the end. Errors: NOT_FOUND, STORE_FAILED. */
export async function finishStream(
  { store, hub, uploads, log }: EndingParts,
  job: Pick<Job, 'id'> & Partial<Pick<Job, 'progress' | 'warnings'>>,
  end: StreamEnd,
): Promise<StreamRecord> {
  const { id, warnings } = job;
  // Whoever hears of the end may ask for the final figures at once.
  job.progress = null;
  const before = await store.stream(id);
  const live = before?.live == null ? {} : { live: { ...before.live, retry: null } };
  const faults = warnings == null ? {} : { warnings };
  const stream = await store.updateStream(id, { ...end, ...live, ...faults, endedAt: new Date(), uploadId: null });
  if (before?.uploadId != null) {
    // The row no longer names the file, so a failure here leaves a file for the sweeper, never a wrong stream.
    await uploads.remove(before.uploadId).catch((cause: unknown) => {
      log.warn({ streamId: id, err: cause }, 'the upload of an ended stream could not be removed');
    });
  }
  hub.publishStatus(stream);
  hub.endStream(id);
  log.info({ streamId: id, status: stream.status }, 'stream has ended');
  return stream;
}
