/**
 * The life of the video jobs: queued, running, ended. Every job has one owner, this class; every change of a status is
 * stored, then published.
 */
import type { Config } from '../config.ts';
import type { StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import { createLimiter } from '../flow/index.ts';
import type { Uploads } from '../ingest/index.ts';
import { carryOut, type EndingParts, Job, SHUTDOWN_GRACE_SHARE, STOP_GRACE_MS } from './job.ts';
import type { StreamProgress } from './types.ts';
import { runVideoJob, type VideoJobParts } from './video-job.ts';

export interface VideoJobsParts extends VideoJobParts, Pick<EndingParts, 'log'> {
  readonly config: VideoJobParts['config'] & Pick<Config, 'concurrentJobs' | 'maxQueuedJobs' | 'shutdownSeconds'>;
  readonly uploads: Pick<Uploads, 'pathOf' | 'remove'>;
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
    const job = new Job(id);
    this.#jobs.set(id, job);
    if (this.#closing) job.ask('shutdown');
    job.done = carryOut(this.#parts, { job, stored }, (stream) =>
      this.#turns.run(() => this.#run(job, stream), job.stop),
    ).finally(() => this.#jobs.delete(id));
    return job.done;
  }

  /** The progress of a running job; `null` for any other. */
  progress(id: string): StreamProgress | null {
    return this.#jobs.get(id)?.progress?.now() ?? null;
  }

  /** Ends a job and resolves once nothing of it works any more. Does nothing for a stream without a job. */
  async stop(id: string): Promise<void> {
    await this.#jobs.get(id)?.end('stop', STOP_GRACE_MS);
  }

  /** Ends every job; their streams keep their status, and the next start goes on with them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    const graceMs = this.#parts.config.shutdownSeconds * 1000 * SHUTDOWN_GRACE_SHARE;
    await Promise.all([...this.#jobs.values()].map((job) => job.end('shutdown', graceMs)));
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
      stop: job.stop,
      abort: job.abort,
      began: (progress) => {
        job.progress = progress;
      },
      warned: (warnings) => {
        job.warnings = warnings;
      },
    });
  }
}
