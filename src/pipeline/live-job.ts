/** One live stream from its first connection (or the first after a restart) to its end. */
import type { Config } from '../config.ts';
import type { Frame, LiveFacts, LiveState, StreamRecord, StreamWarning } from '../domain.ts';
import { AppError } from '../errors.ts';
import { latestOf } from '../flow/index.ts';
import { type AddressGate, LiveClock } from '../ingest/index.ts';
import type { Log } from '../log.ts';
import { type LiveImage, liveFrames } from './live-frames.ts';
import { LivePace } from './live-pace.ts';
import { LiveProgress } from './progress.ts';
import { readPast } from './resume.ts';
import { type ScoringParts, scoreStream } from './score-stream.ts';
import { addWarnings } from './warnings.ts';

export interface LiveJobParts extends ScoringParts {
  readonly config: Pick<
    Config,
    | 'framesInFlight'
    | 'maxFrameSidePixels'
    | 'minFaceness'
    | 'connectSeconds'
    | 'stallSeconds'
    | 'reconnectAttempts'
    | 'reconnectMaxSeconds'
    | 'mediaMemoryBytes'
  >;
  readonly gate: AddressGate;
  readonly log: Log;
  /** Told of each change of a stream's state once it is stored, and `null` when the stream is not open any more. */
  readonly changed?: (id: string, status: LiveState['status'] | null) => void;
}

export interface LiveJobRun {
  readonly stream: StreamRecord & { readonly live: LiveFacts };
  /** Ends the reading; what is in flight is still scored, stored and published. */
  readonly stop: AbortSignal;
  /** Ends the scoring too. */
  readonly abort: AbortSignal;
  /** Given as soon as the job knows where it begins. */
  readonly began: (progress: LiveProgress) => void;
  /** Given once, however the run ends: all warnings of the stream, old and new. */
  readonly warned: (warnings: readonly StreamWarning[]) => void;
}

/** One frame is searched while another is read, and one more of each may wait: more would only be older. */
export const LIVE_FRAMES_IN_FLIGHT = 2;

/**
 * Resolves once every frame that was scored is stored and published: after a stop, or the end
 * of a source that has one. Sequence, tracks and time go on after the last stored frame. Errors: those of `liveFrames`,
 * ENGINE_UNAVAILABLE, OVERLOADED, STORE_FAILED, ABORTED.
 */
export async function runLiveJob(parts: LiveJobParts, run: LiveJobRun): Promise<void> {
  const { config, store, gate } = parts;
  const { stream, stop } = run;
  const { delivery, rtspTransport, maxWidthPixels, smoothingSeconds, trackMissSeconds } = stream.live;
  const report = reporter(parts, stream);
  // Whatever it was when an earlier run ended, it is not connected now.
  if (stream.status !== 'CONNECTING') await report({ status: 'CONNECTING' });
  const address = await store.secretAddress(stream.id);
  if (address === null) throw new AppError('NOT_FOUND', 'The address of this stream is gone; open it again.');

  const past = await readPast(store, stream, trackMissSeconds);
  const progress = new LiveProgress(null, past);
  run.began(progress);

  const pace = new LivePace(config, stream.sampling);
  let missing: readonly StreamWarning[] = [];
  await scoreStream(parts, {
    stream,
    past,
    progress,
    frames(broken) {
      const images = liveFrames({
        gate,
        address,
        sampling: stream.sampling,
        maxSidePixels: config.maxFrameSidePixels,
        maxWidthPixels,
        fromFirst: delivery === 'EVERY',
        rtspTransport,
        clock: new LiveClock({ openedAtMs: stream.createdAt.getTime(), lastPtsSeconds: past.lastPtsSeconds }),
        pace,
        hasPlayed: stream.startedAt !== null,
        limits: config,
        report,
        warn(warnings) {
          missing = warnings;
        },
        log: parts.log.child({ streamId: stream.id }),
        signal: AbortSignal.any([stop, broken]),
      });
      const taken = delivery === 'LATEST' ? latestOf(images) : every(images);
      return numbered(taken, past.resumeAfter === null ? 0 : past.resumeAfter.sequence + 1);
    },
    smoothingSeconds,
    trackMissSeconds,
    get maxGapSeconds() {
      return pace.maxGapSeconds;
    },
    framesInFlight: Math.min(LIVE_FRAMES_IN_FLIGHT, config.framesInFlight),
    abort: run.abort,
    warned: (warnings) => run.warned(addWarnings(warnings, missing)),
  });
}

interface TakenImage {
  readonly value: LiveImage;
  readonly droppedBefore: number;
}

async function* every(images: AsyncIterable<LiveImage>): AsyncGenerator<TakenImage, void, undefined> {
  for await (const value of images) yield { value, droppedBefore: 0 };
}

/** Only frames that are processed are counted, so that the sequence has no gap. */
async function* numbered(
  images: AsyncIterable<TakenImage>,
  firstSequence: number,
): AsyncGenerator<Frame, void, undefined> {
  let sequence = firstSequence;
  for await (const { value, droppedBefore: skippedBefore } of images) {
    yield { ...value, sequence, skippedBefore };
    sequence += 1;
  }
}

/** Stores and publishes each change of a live stream. */
function reporter(
  { store, hub, log, changed }: LiveJobParts,
  stream: LiveJobRun['stream'],
): (state: LiveState) => Promise<void> {
  let { live, startedAt } = stream;
  return async (state) => {
    const isBack = state.status === 'RUNNING' && live.retry !== null;
    live = {
      ...live,
      retry: state.status === 'RECONNECTING' ? state.retry : null,
      reconnects: live.reconnects + (isBack ? 1 : 0),
    };
    if (state.status === 'RUNNING') startedAt ??= new Date();
    const stored = await store.updateStream(stream.id, { status: state.status, live, startedAt });
    changed?.(stream.id, state.status);
    hub.publishStatus(stored);
    log.info({ streamId: stream.id, status: state.status }, 'stream has changed');
  };
}
