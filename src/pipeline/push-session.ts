/** One pushed stream at work: its pictures one after the other, each with its answer. */
import type { Config } from '../config.ts';
import type { Frame, FrameEstimate, StreamRecord } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { createLimiter, DropOldestBuffer, joinSignals } from '../flow/index.ts';
import { decodeStill } from '../frames/index.ts';
import type { Job } from './job.ts';
import { LiveProgress } from './progress.ts';
import { PushClock } from './push-clock.ts';
import { readPast } from './resume.ts';
import { type ScoringParts, scoreStream } from './score-stream.ts';
import type { PushedPicture } from './types.ts';

type SessionConfig = Pick<
  Config,
  'maxFrameSidePixels' | 'maxImageBytes' | 'maxImagePixels' | 'pushIdleSeconds' | 'trackMissSeconds'
>;

interface SessionOptions {
  readonly openedAt: Date;
  readonly maxWidthPixels: number | null;
  /** Ends the session: nothing more is taken. */
  readonly stop: AbortSignal;
}

type PushedFrame = Omit<Frame, 'sequence' | 'ptsSeconds'>;

/** The picture at work; those who push wait for its answer. */
interface Asked {
  readonly resolve: (estimate: FrameEstimate) => void;
  readonly reject: (error: AppError) => void;
}

/** A picture a minute still follows a face, also where one is late; a client that pushes less often does not. */
const MAX_GAP_SECONDS = 90;

export class PushSession {
  readonly #config: SessionConfig;
  readonly #options: SessionOptions;
  /** Holds the one frame that has its turn until the scoring takes it. */
  readonly #inbox = new DropOldestBuffer<PushedFrame & { readonly ptsSeconds: number }>(1);
  readonly #turns = createLimiter({
    concurrency: 1,
    maxWaiting: 1,
    refuse: () =>
      new AppError(
        'OVERLOADED',
        'Two pictures of this stream are at work already; wait for an answer before the next.',
      ),
  });
  #clock: PushClock | null = null;
  /** Settles when the stream's past is known, or there will be no answers. */
  readonly #ready: Promise<void>;
  #settleReady!: () => void;
  #asked: Asked | null = null;
  #idle: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(config: SessionConfig, options: SessionOptions) {
    this.#config = config;
    this.#options = options;
    this.#ready = new Promise((resolve) => {
      this.#settleReady = resolve;
    });
    this.#restartIdle();
  }

  /** Errors: those of `Pipeline.pushFrame`. */
  async push({ bytes, capturedAt, signal }: PushedPicture): Promise<FrameEstimate> {
    const arrived = { capturedAt: capturedAt ?? new Date(), arrivedAtMs: performance.now() };
    const { stop } = this.#options;
    using either = joinSignals(signal === undefined ? [stop] : [stop, signal]);
    try {
      return await this.#turns.run(async () => {
        if (this.#ended || stop.aborted) throw ended();
        clearTimeout(this.#idle);
        try {
          return await this.#score(
            { ...arrived, skippedBefore: 0, ...(await this.#decode(bytes)) },
            capturedAt !== undefined,
          );
        } finally {
          this.#restartIdle();
        }
      }, either.signal);
    } catch (thrown) {
      throw stop.aborted ? ended() : toAppError(thrown);
    }
  }

  /**
   * Scores what is pushed, after what is stored of the stream, until it is stopped or nothing comes for too long. Errors:
   * those of `scoreStream`; who waits for an answer gets them too.
   */
  async run(parts: ScoringParts, { job, stream }: { readonly job: Job; readonly stream: StreamRecord }): Promise<void> {
    const { trackMissSeconds = this.#config.trackMissSeconds, smoothingSeconds = 0 } = stream.live ?? {};
    try {
      const past = await readPast(parts.store, stream, trackMissSeconds);
      const progress = new LiveProgress(null, past);
      job.progress = progress;
      this.#clock ??= new PushClock({
        openedAtMs: this.#options.openedAt.getTime(),
        lastPtsSeconds: past.lastPtsSeconds,
      });
      this.#settleReady();
      await scoreStream(parts, {
        stream,
        past,
        progress,
        frames: (broken) => this.#frames((past.resumeAfter?.sequence ?? -1) + 1, AbortSignal.any([job.stop, broken])),
        smoothingSeconds,
        trackMissSeconds,
        maxGapSeconds: MAX_GAP_SECONDS,
        framesInFlight: 1,
        abort: job.abort,
        warned: (warnings) => {
          job.warnings = warnings;
        },
        published: ({ estimate }) => this.#answer()?.resolve(estimate),
      });
    } catch (thrown) {
      this.#inbox.clear();
      this.#answer()?.reject(toAppError(thrown));
      throw thrown;
    }
  }

  /** Nothing is taken any more, and who waits is told so. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#idle);
    this.#settleReady();
    this.#inbox.close();
    this.#answer()?.reject(ended());
  }

  async #decode(bytes: Uint8Array): Promise<Pick<PushedFrame, 'image' | 'sourceWidth' | 'sourceHeight'>> {
    const { maxImageBytes, maxImagePixels, maxFrameSidePixels } = this.#config;
    if (bytes.byteLength > maxImageBytes) {
      throw new AppError(
        'UPLOAD_TOO_LARGE',
        `The picture has ${bytes.byteLength} bytes; at most ${maxImageBytes} are taken (MAX_IMAGE_BYTES).`,
      );
    }
    const { maxWidthPixels } = this.#options;
    return decodeStill(bytes, {
      maxPixels: maxImagePixels,
      maxSidePixels: maxFrameSidePixels,
      ...(maxWidthPixels === null ? {} : { maxWidthPixels }),
    });
  }

  async #score(frame: PushedFrame, hasOwnTime: boolean): Promise<FrameEstimate> {
    await this.#ready;
    const clock = this.#clock;
    if (this.#ended || clock === null) throw ended();
    const capturedAtMs = hasOwnTime ? frame.capturedAt!.getTime() : null;
    const ptsSeconds = clock.timeOf(capturedAtMs);
    if (ptsSeconds === null) {
      throw new AppError('BAD_INPUT', 'capturedAt must be later than that of the picture before.');
    }
    const estimate = await new Promise<FrameEstimate>((resolve, reject) => {
      this.#asked = { resolve, reject };
      this.#inbox.push({ ...frame, ptsSeconds });
    });
    clock.stored({ capturedAtMs, ptsSeconds });
    return estimate;
  }

  async *#frames(firstSequence: number, signal: AbortSignal): AsyncGenerator<Frame, void, undefined> {
    let sequence = firstSequence;
    for (let taken = await this.#inbox.take(signal); taken !== null; taken = await this.#inbox.take(signal)) {
      yield { ...taken.value, sequence };
      sequence += 1;
    }
  }

  #answer(): Asked | null {
    const asked = this.#asked;
    this.#asked = null;
    return asked;
  }

  #restartIdle(): void {
    clearTimeout(this.#idle);
    if (this.#ended) return;
    // A closed inbox is the orderly end of the frames: the stream is COMPLETED.
    this.#idle = setTimeout(() => this.#inbox.close(), this.#config.pushIdleSeconds * 1000);
    this.#idle.unref();
  }
}

function ended(): AppError {
  return new AppError('ABORTED', 'The stream has ended, or the server is stopping.');
}
