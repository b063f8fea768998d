/**
 * The life of the video jobs: queued, running, ended. Every job has one owner, this class; every change of a status is
 * stored, then published.
 */
import type { Config } from '../config.ts';
import type { StreamRecord, StreamStatus, StreamWarning } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { createLimiter } from '../flow/index.ts';
import type { Uploads } from '../ingest/index.ts';
import type { Log } from '../log.ts';
import type { LiveProgress } from './progress.ts';
import type { StreamProgress } from './types.ts';
import { runVideoJob, type VideoJobParts } from './video-job.ts';

export interface VideoJobsParts extends VideoJobParts {
  readonly config: VideoJobParts['config'] & Pick<Config, 'concurrentJobs' | 'maxQueuedJobs' | 'shutdownSeconds'>;
  readonly uploads: Pick<Uploads, 'pathOf' | 'remove'>;
  readonly log: Log;
}

interface Job {
  readonly id: string;
  /** Ends the reading of frames; what is in flight is finished. */
  readonly stop: AbortController;
  /** Ends the scoring as well. */
  readonly abort: AbortController;
  /** Why it ends early: a stop makes the stream STOPPED, a shutdown leaves its status for the next start. */
  endedBy: 'stop' | 'shutdown' | null;
  progress: LiveProgress | null;
  /** All warnings of the stream once its run is over; `null` before. */
  warnings: readonly StreamWarning[] | null;
  /** Settles, never rejects, when nothing of the job works any more and its status is stored. */
  done: Promise<void>;
}

/** A stop waits this long for the frames in flight, which take a fraction of a second unless a worker hangs. */
const STOP_GRACE_MS = 5000;
/** Share of the time for a shutdown that frames in flight may take; the rest is for closing what they need. */
const SHUTDOWN_GRACE_SHARE = 0.5;

const ENDED: ReadonlySet<StreamStatus> = new Set(['COMPLETED', 'FAILED', 'STOPPED']);

export function hasEnded(stream: Pick<StreamRecord, 'status'>): boolean {
  return ENDED.has(stream.status);
}

export class VideoJobs implements AsyncDisposable {
  readonly #parts: VideoJobsParts;
  readonly #jobs = new Map<string, Job>();
  readonly #turns;
  #reserved = 0;
  #refused = 0;
  #closing = false;

  constructor(parts: VideoJobsParts) {
    this.#parts = parts;
    this.#turns = createLimiter({
      concurrency: parts.config.concurrentJobs,
      // The bound is kept by reserve(), which counts before a stream is made; jobs that a restart brings back always fit.
      maxWaiting: Number.POSITIVE_INFINITY,
      refuse: () => new AppError('OVERLOADED', 'The job queue is full.'),
    });
  }

  get running(): number {
    return this.#turns.running;
  }

  get queued(): number {
    return this.#turns.waiting;
  }

  get refused(): number {
    return this.#refused;
  }

  /**
   * Holds a place in the queue until it is released, for a stream that is about to be made. Errors: OVERLOADED when all
   * places are taken, ABORTED when the server is stopping.
   */
  reserve(): Disposable {
    const { concurrentJobs, maxQueuedJobs } = this.#parts.config;
    if (this.#closing) throw new AppError('ABORTED', 'The server is stopping; try again when it is back.');
    if (this.#jobs.size + this.#reserved >= concurrentJobs + maxQueuedJobs) {
      this.#refused += 1;
      throw new AppError('OVERLOADED', `${maxQueuedJobs} videos are waiting already; try again later.`);
    }
    this.#reserved += 1;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#reserved -= 1;
        held = false;
      },
    };
  }

  /**
   * Queues the stream that `stored` resolves to; it can be stopped even before that. Resolves, never rejects, when nothing
   * of the job works any more and its status is stored.
   */
  add(id: string, stored: Promise<StreamRecord>): Promise<void> {
    const job: Job = {
      id,
      stop: new AbortController(),
      abort: new AbortController(),
      endedBy: null,
      progress: null,
      warnings: null,
      done: Promise.resolve(),
    };
    this.#jobs.set(id, job);
    if (this.#closing) {
      job.endedBy = 'shutdown';
      job.stop.abort();
    }
    job.done = this.#live(job, stored).finally(() => this.#jobs.delete(id));
    return job.done;
  }

  /** The progress of a running job; `null` for any other. */
  progress(id: string): StreamProgress | null {
    return this.#jobs.get(id)?.progress?.now() ?? null;
  }

  /** Ends a job and resolves once nothing of it works any more. Does nothing for a stream without a job. */
  async stop(id: string): Promise<void> {
    const job = this.#jobs.get(id);
    if (job !== undefined) await this.#end(job, 'stop', STOP_GRACE_MS);
  }

  /** Ends every job; their streams keep their status, and the next start goes on with them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    const graceMs = this.#parts.config.shutdownSeconds * 1000 * SHUTDOWN_GRACE_SHARE;
    await Promise.all([...this.#jobs.values()].map((job) => this.#end(job, 'shutdown', graceMs)));
  }

  async #end(job: Job, by: 'stop' | 'shutdown', graceMs: number): Promise<void> {
    job.endedBy ??= by;
    job.stop.abort();
    const timer = setTimeout(() => job.abort.abort(), graceMs);
    await job.done;
    clearTimeout(timer);
  }

  async #live(job: Job, stored: Promise<StreamRecord>): Promise<void> {
    const { log } = this.#parts;
    let stream: StreamRecord;
    try {
      stream = await stored;
    } catch {
      return; // Whoever made the stream has the error in hand; there is nothing to run.
    }
    try {
      await this.#turns.run(() => this.#run(job, stream), job.stop.signal);
      if (job.endedBy === 'shutdown') await this.#leave(job, stream);
      else await this.#finish(job, { status: job.endedBy === 'stop' ? 'STOPPED' : 'COMPLETED' });
    } catch (thrown) {
      await this.#fail(job, stream, thrown).catch((cause: unknown) => {
        log.error(
          { streamId: stream.id, err: cause },
          'the end of a stream could not be stored; the next start resumes it',
        );
      });
    }
  }

  async #run(job: Job, stream: StreamRecord): Promise<void> {
    const { store, hub, uploads, log } = this.#parts;
    const startedAt = stream.startedAt ?? new Date();
    hub.publishStatus(await store.updateStream(stream.id, { status: 'RUNNING', startedAt }));
    log.info({ streamId: stream.id, resumed: stream.startedAt !== null }, 'stream is running');
    const path = await uploads.pathOf(stream.uploadId ?? '').catch((cause: unknown) => {
      throw new AppError(
        'NOT_FOUND',
        'The uploaded file of this stream is gone from the data folder, so it cannot go on; upload the file again.',
        { cause },
      );
    });
    await runVideoJob(this.#parts, {
      stream,
      path,
      stop: job.stop.signal,
      abort: job.abort.signal,
      began: (progress) => {
        job.progress = progress;
      },
      warned: (warnings) => {
        job.warnings = warnings;
      },
    });
  }

  async #fail(job: Job, stream: StreamRecord, thrown: unknown): Promise<void> {
    const { log } = this.#parts;
    if (job.endedBy === 'shutdown') return this.#leave(job, stream);
    if (job.endedBy === 'stop') return this.#finish(job, { status: 'STOPPED' });
    const { code, message } = toAppError(thrown);
    log.warn({ streamId: stream.id, code, err: thrown }, 'stream failed');
    await this.#finish(job, { status: 'FAILED', error: { code, message } });
  }

  /** A stream that the next start goes on with: what was read of it will not be read again, so its faults are kept now. */
  async #leave({ warnings }: Job, { id }: StreamRecord): Promise<void> {
    if (warnings !== null) await this.#parts.store.updateStream(id, { warnings });
  }

  async #finish({ id, warnings }: Job, end: Pick<StreamRecord, 'status'> & Partial<StreamRecord>): Promise<void> {
    await this.finish(id, { ...end, ...(warnings === null ? {} : { warnings }) });
  }

  /** Stores the end of a stream, removes its file, publishes the end. Errors: NOT_FOUND, STORE_FAILED. */
  async finish(
    id: string,
    end: Pick<StreamRecord, 'status'> & Partial<Pick<StreamRecord, 'error' | 'warnings'>>,
  ): Promise<StreamRecord> {
    const { store, hub, uploads, log } = this.#parts;
    // Whoever hears of the end may ask for the final figures at once.
    const job = this.#jobs.get(id);
    if (job !== undefined) job.progress = null;
    const before = await store.stream(id);
    const stream = await store.updateStream(id, { ...end, endedAt: new Date(), uploadId: null });
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
}
