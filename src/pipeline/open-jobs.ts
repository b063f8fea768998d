/** The streams at work, whatever feeds them: taken in while there are places, found by their ids, ended one or all. */
import type { Config } from '../config.ts';
import type { StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Places } from '../flow/index.ts';
import { carryOut, type EndingParts, type Job, SHUTDOWN_GRACE_SHARE, STOP_GRACE_MS } from './job.ts';
import type { StreamProgress } from './types.ts';

export interface OpenJobsParts extends EndingParts {
  readonly config: Pick<Config, 'shutdownSeconds'>;
}

export interface JobOrder {
  /** The stream once it is stored; a job can be stopped even before that. */
  readonly stored: Promise<StreamRecord>;
  /** Given back when nothing of the job works any more. */
  readonly place: Disposable;
  readonly work: (stream: StreamRecord) => Promise<void>;
}

export class OpenJobs implements AsyncDisposable {
  readonly #parts: OpenJobsParts;
  readonly #jobs = new Map<string, Job>();
  #closing = false;

  constructor(parts: OpenJobsParts) {
    this.#parts = parts;
  }

  /** A place for a stream that is about to be made. Errors: that of the places, ABORTED when the server is stopping. */
  admit(places: Places): Disposable {
    if (this.#closing) throw new AppError('ABORTED', 'The server is stopping; try again when it is back.');
    return places.take();
  }

  /** Resolves, never rejects, when nothing of the job works any more and its status is stored. */
  add(job: Job, { stored, place, work }: JobOrder): Promise<void> {
    this.#jobs.set(job.id, job);
    if (this.#closing) job.ask('shutdown');
    job.done = carryOut(this.#parts, { job, stored }, work).finally(() => {
      this.#jobs.delete(job.id);
      place[Symbol.dispose]();
    });
    return job.done;
  }

  /** The progress of a stream that runs; `null` for any other. */
  progress(id: string): StreamProgress | null {
    return this.#jobs.get(id)?.progress?.now() ?? null;
  }

  /** Ends a stream and resolves once nothing of it works any more. Does nothing for one that is not open. */
  async stop(id: string): Promise<void> {
    await this.#jobs.get(id)?.end('stop', STOP_GRACE_MS);
  }

  /** Ends all of them; the streams keep their status, and the next start goes on with them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    const graceMs = this.#parts.config.shutdownSeconds * 1000 * SHUTDOWN_GRACE_SHARE;
    await Promise.all([...this.#jobs.values()].map((job) => job.end('shutdown', graceMs)));
  }
}
