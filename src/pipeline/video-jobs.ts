/** Video files on their way: a bounded number of them wait, a few run side by side. */
import type { Config } from '../config.ts';
import type { StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import { createLimiter, Places } from '../flow/index.ts';
import type { Uploads } from '../ingest/index.ts';
import type { Log } from '../log.ts';
import { Job } from './job.ts';
import type { OpenJobs } from './open-jobs.ts';
import { throughFaults } from './through-faults.ts';
import { runVideoJob, type VideoJobParts } from './video-job.ts';

export interface VideoJobsParts extends VideoJobParts {
  readonly config: VideoJobParts['config'] & Pick<Config, 'concurrentJobs' | 'maxQueuedJobs'>;
  readonly uploads: Pick<Uploads, 'pathOf'>;
  readonly open: OpenJobs;
  readonly log: Log;
}

export class VideoJobs {
  readonly #parts: VideoJobsParts;
  readonly #places: Places;
  readonly #turns;

  constructor(parts: VideoJobsParts) {
    this.#parts = parts;
    const { concurrentJobs, maxQueuedJobs } = parts.config;
    const refuse = (): AppError =>
      new AppError('OVERLOADED', `${maxQueuedJobs} videos are waiting already; try again later.`);
    this.#places = new Places(concurrentJobs + maxQueuedJobs, refuse);
    // The places are the bound; jobs that a restart brings back always fit.
    this.#turns = createLimiter({ concurrency: concurrentJobs, maxWaiting: Number.POSITIVE_INFINITY, refuse });
  }

  get running(): number {
    return this.#turns.running;
  }

  get queued(): number {
    return this.#turns.waiting;
  }

  get refused(): number {
    return this.#places.refused;
  }

  /**
   * Holds a place in the queue, for a stream that is about to be made. Errors: OVERLOADED when all are taken, ABORTED when
   * the server is stopping.
   */
  reserve(): Disposable {
    return this.#parts.open.admit(this.#places);
  }

  /**
   * Queues the stream that `stored` resolves to. `place` is what {@link VideoJobs.reserve} gave; a stream that an earlier
   * run of the process left needs none. Resolves, never rejects, when nothing of the job works any more and its status is
   * stored.
   */
  add(id: string, stored: Promise<StreamRecord>, place = this.#places.takeAnyway()): Promise<void> {
    const job = new Job(id);
    const work = (stream: StreamRecord): Promise<void> => this.#turns.run(() => this.#run(job, stream), job.stop);
    return this.#parts.open.add(job, { stored, place, work });
  }

  #run(job: Job, queued: StreamRecord): Promise<void> {
    return throughFaults(this.#parts, { job, stream: queued }, (stream) => this.#score(job, stream));
  }

  async #score(job: Job, stream: StreamRecord): Promise<void> {
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
