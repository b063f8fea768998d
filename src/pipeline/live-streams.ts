/** Live streams: taken in, run until they end, taken up again after a restart. */
import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import type { StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Places } from '../flow/index.ts';
import { Job } from './job.ts';
import { checkLiveInput } from './live-input.ts';
import { type LiveJobParts, runLiveJob } from './live-job.ts';
import type { OpenJobs } from './open-jobs.ts';
import { throughFaults } from './through-faults.ts';
import type { LiveInput } from './types.ts';

export interface LiveStreamsParts extends LiveJobParts {
  readonly config: LiveJobParts['config'] & Pick<Config, 'smoothingSeconds' | 'trackMissSeconds'>;
  readonly open: OpenJobs;
  readonly places: Places;
}

export class LiveStreams {
  readonly #parts: LiveStreamsParts;

  constructor(parts: LiveStreamsParts) {
    this.#parts = parts;
  }

  /** Errors and effects: those of `Pipeline.openStream`. */
  async open(input: LiveInput): Promise<StreamRecord> {
    const { config, gate, store, hub, open, places } = this.#parts;
    const { name, labels, retentionDays, sampling, live } = checkLiveInput(input, gate.check(input.url), config);
    const place = open.admit(places);
    const id = randomUUID();
    const stored = store
      .createStream(
        {
          id,
          revision: 0,
          ownerKeyId: input.ownerKeyId ?? null,
          kind: 'LIVE',
          name,
          labels,
          status: 'CONNECTING',
          sampling,
          media: null,
          uploadId: null,
          live,
          retentionDays,
          error: null,
          warnings: [],
          analysis: null,
          createdAt: new Date(),
          startedAt: null,
          endedAt: null,
        },
        input.url,
      )
      .then((stream) => {
        hub.publishStatus(stream);
        return stream;
      });
    this.#add(id, { stored, place });
    return stored;
  }

  /** Takes up a stream that the last run of the process left open. */
  resume(stream: StreamRecord): void {
    this.#add(stream.id, { stored: Promise.resolve(stream), place: this.#parts.places.takeAnyway() });
  }

  #add(id: string, { stored, place }: { readonly stored: Promise<StreamRecord>; readonly place: Disposable }): void {
    const job = new Job(id);
    this.#parts.changed?.(id, 'CONNECTING');
    const ended = this.#parts.open.add(job, { stored, place, work: (stream) => this.#run(job, stream) });
    void ended.then(() => this.#parts.changed?.(id, null));
  }

  #run(job: Job, opened: StreamRecord): Promise<void> {
    return throughFaults(this.#parts, { job, stream: opened }, async ({ live, ...stream }) => {
      if (live === null) throw new AppError('NOT_FOUND', 'The stream was stored without its address; open it again.');
      return runLiveJob(this.#parts, {
        stream: { ...stream, live },
        stop: job.stop,
        abort: job.abort,
        began: (progress) => {
          job.progress = progress;
        },
        warned: (warnings) => {
          job.warnings = warnings;
        },
      });
    });
  }
}
