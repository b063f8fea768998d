/** Streams whose pictures a client pushes, one by one: each answered when it is stored and published. */
import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import type { FrameEstimate, StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Places } from '../flow/index.ts';
import type { Log } from '../log.ts';
import { hasEnded, Job } from './job.ts';
import { checkOpenInput } from './live-input.ts';
import type { OpenJobs } from './open-jobs.ts';
import { PushSession } from './push-session.ts';
import type { ScoringParts } from './score-stream.ts';
import { throughFaults } from './through-faults.ts';
import type { PushedPicture, PushInput } from './types.ts';

export interface PushStreamsParts extends ScoringParts {
  readonly config: Pick<
    Config,
    | 'maxFrameSidePixels'
    | 'maxImageBytes'
    | 'maxImagePixels'
    | 'minFaceness'
    | 'pushIdleSeconds'
    | 'smoothingSeconds'
    | 'trackMissSeconds'
  >;
  readonly open: OpenJobs;
  readonly places: Places;
  readonly log: Log;
}

export class PushStreams {
  readonly #parts: PushStreamsParts;
  readonly #sessions = new Map<string, PushSession>();

  constructor(parts: PushStreamsParts) {
    this.#parts = parts;
  }

  /** Errors and effects: those of `Pipeline.openPush`. */
  async open(input: PushInput): Promise<StreamRecord> {
    const { config, store, hub, open, places } = this.#parts;
    const { name, labels, retentionDays, live } = checkOpenInput(input, config);
    const place = open.admit(places);
    const now = new Date();
    const stream: StreamRecord = {
      id: randomUUID(),
      revision: 0,
      ownerKeyId: input.ownerKeyId ?? null,
      kind: 'PUSH',
      name,
      labels,
      status: 'RUNNING',
      sampling: { kind: 'EVERY_FRAME' },
      media: null,
      uploadId: null,
      live,
      retentionDays,
      error: null,
      warnings: [],
      analysis: null,
      createdAt: now,
      startedAt: now,
      endedAt: null,
    };
    const stored = store.createStream(stream).then((created) => {
      hub.publishStatus(created);
      return created;
    });
    this.#add(stream, { stored, place });
    return stored;
  }

  /** Takes up a stream that the last run of the process left open. */
  resume(stream: StreamRecord): void {
    this.#add(stream, { stored: Promise.resolve(stream), place: this.#parts.places.takeAnyway() });
  }

  /** Errors: those of `Pipeline.pushFrame`. */
  async push(id: string, picture: PushedPicture): Promise<FrameEstimate> {
    const session = this.#sessions.get(id);
    if (session !== undefined) return session.push(picture);
    const stream = await this.#parts.store.stream(id);
    if (stream === null) throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(id)}.`);
    throw new AppError(
      'BAD_INPUT',
      stream.kind === 'PUSH' && hasEnded(stream)
        ? 'The stream has ended; open another one by openPush.'
        : 'Pictures can be pushed only to a stream that openPush has opened.',
    );
  }

  #add(
    { id, createdAt, live }: StreamRecord,
    { stored, place }: { readonly stored: Promise<StreamRecord>; readonly place: Disposable },
  ): void {
    const job = new Job(id);
    const session = new PushSession(this.#parts.config, {
      openedAt: createdAt,
      maxWidthPixels: live?.maxWidthPixels ?? null,
      stop: job.stop,
    });
    this.#sessions.set(id, session);
    const work = (opened: StreamRecord): Promise<void> =>
      throughFaults(this.#parts, { job, stream: opened }, (stream) => session.run(this.#parts, { job, stream }));
    void this.#parts.open.add(job, { stored, place, work }).then(() => {
      this.#sessions.delete(id);
      session.end();
    });
  }
}
