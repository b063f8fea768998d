/** Streams whose pictures a client pushes, one by one: each answered when it is stored and published. */
import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import type { FrameEstimate, StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Places } from '../flow/index.ts';
import { carryOut, type EndingParts, hasEnded, Job, SHUTDOWN_GRACE_SHARE, STOP_GRACE_MS } from './job.ts';
import { checkOpenInput } from './live-input.ts';
import { PushSession } from './push-session.ts';
import type { ScoringParts } from './score-stream.ts';
import { throughFaults } from './through-faults.ts';
import type { PushedPicture, PushInput, StreamProgress } from './types.ts';

export interface PushStreamsParts extends ScoringParts, EndingParts {
  readonly config: Pick<
    Config,
    | 'maxFrameSidePixels'
    | 'maxImageBytes'
    | 'maxImagePixels'
    | 'minFaceness'
    | 'pushIdleSeconds'
    | 'shutdownSeconds'
    | 'smoothingSeconds'
    | 'trackMissSeconds'
  >;
  readonly places: Places;
}

export class PushStreams implements AsyncDisposable {
  readonly #parts: PushStreamsParts;
  readonly #open = new Map<string, { readonly job: Job; readonly session: PushSession }>();
  #closing = false;

  constructor(parts: PushStreamsParts) {
    this.#parts = parts;
  }

  /** Errors and effects: those of `Pipeline.openPush`. */
  async open(input: PushInput): Promise<StreamRecord> {
    const { config, store, hub, places } = this.#parts;
    const { name, labels, retentionDays, live } = checkOpenInput(input, config);
    if (this.#closing) throw new AppError('ABORTED', 'The server is stopping; try again when it is back.');
    const place = places.take();
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
    const open = this.#open.get(id);
    if (open !== undefined) return open.session.push(picture);
    const stream = await this.#parts.store.stream(id);
    if (stream === null) throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(id)}.`);
    throw new AppError(
      'BAD_INPUT',
      stream.kind === 'PUSH' && hasEnded(stream)
        ? 'The stream has ended; open another one by openPush.'
        : 'Pictures can be pushed only to a stream that openPush has opened.',
    );
  }

  /** The progress of a stream that is open; `null` for any other. */
  progress(id: string): StreamProgress | null {
    return this.#open.get(id)?.job.progress?.now() ?? null;
  }

  /** Ends a stream and resolves once nothing of it works any more. Does nothing for one that is not open. */
  async stop(id: string): Promise<void> {
    await this.#open.get(id)?.job.end('stop', STOP_GRACE_MS);
  }

  /** Ends the work; the streams keep their status, and pictures can be pushed to them again after the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    const graceMs = this.#parts.config.shutdownSeconds * 1000 * SHUTDOWN_GRACE_SHARE;
    await Promise.all([...this.#open.values()].map(({ job }) => job.end('shutdown', graceMs)));
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
    this.#open.set(id, { job, session });
    job.done = carryOut(this.#parts, { job, stored }, (opened) =>
      throughFaults(this.#parts, { job, stream: opened }, (stream) => session.run(this.#parts, { job, stream })),
    ).finally(() => {
      this.#open.delete(id);
      session.end();
      place[Symbol.dispose]();
    });
  }
}
