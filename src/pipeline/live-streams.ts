/** The live streams that are open: taken in, run until they end, taken up again after a restart. */
import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import type { StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Places } from '../flow/index.ts';
import { carryOut, type EndingParts, Job, SHUTDOWN_GRACE_SHARE, STOP_GRACE_MS } from './job.ts';
import { checkLiveInput } from './live-input.ts';
import { type LiveJobParts, runLiveJob } from './live-job.ts';
import { MAX_NAME_LENGTH } from './stream-words.ts';
import { throughFaults } from './through-faults.ts';
import type { LiveInput, StreamProgress } from './types.ts';

export interface LiveStreamsParts extends LiveJobParts, EndingParts {
  readonly config: LiveJobParts['config'] & Pick<Config, 'smoothingSeconds' | 'trackMissSeconds' | 'shutdownSeconds'>;
  readonly places: Places;
}

export class LiveStreams implements AsyncDisposable {
  readonly #parts: LiveStreamsParts;
  readonly #jobs = new Map<string, Job>();
  #closing = false;

  constructor(parts: LiveStreamsParts) {
    this.#parts = parts;
  }

  /** Errors and effects: those of `Pipeline.openStream`. */
  async open(input: LiveInput): Promise<StreamRecord> {
    const { config, gate, store, hub, places } = this.#parts;
    const { shownUrl } = gate.check(input.url);
    const named = { ...input, name: input.name ?? shownUrl.slice(0, MAX_NAME_LENGTH) };
    const { name, labels, retentionDays, sampling, live } = checkLiveInput(named, config);
    if (this.#closing) throw new AppError('ABORTED', 'The server is stopping; try again when it is back.');
    const place = places.take();
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
          live: { ...live, address: shownUrl },
          retentionDays,
          error: null,
          warnings: [],
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

  /** The progress of a stream that is open; `null` for any other. */
  progress(id: string): StreamProgress | null {
    return this.#jobs.get(id)?.progress?.now() ?? null;
  }

  /** Ends a stream and resolves once nothing of it works any more. Does nothing for one that is not open. */
  async stop(id: string): Promise<void> {
    await this.#jobs.get(id)?.end('stop', STOP_GRACE_MS);
  }

  /** Ends every connection; the streams keep their status, and the next start takes them up again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    const graceMs = this.#parts.config.shutdownSeconds * 1000 * SHUTDOWN_GRACE_SHARE;
    await Promise.all([...this.#jobs.values()].map((job) => job.end('shutdown', graceMs)));
  }

  #add(id: string, { stored, place }: { readonly stored: Promise<StreamRecord>; readonly place: Disposable }): void {
    const job = new Job(id);
    this.#jobs.set(id, job);
    job.done = carryOut(this.#parts, { job, stored }, (stream) => this.#run(job, stream)).finally(() => {
      this.#jobs.delete(id);
      place[Symbol.dispose]();
    });
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
