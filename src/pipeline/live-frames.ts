/** A live source as a source of frames that survives its losses: connect, read, lose, wait, connect again. */
import type { Config } from '../config.ts';
import type { LiveState, RgbImage, RtspTransport, Sampling } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { backoffMs, joinSignals, pause, settlesWithin } from '../flow/index.ts';
import { readFrames, type TimedImage } from '../frames/index.ts';
import {
  type AddressGate,
  type LiveClock,
  type LiveSource,
  type OpenedAddress,
  openLiveSource,
} from '../ingest/index.ts';
import type { Log } from '../log.ts';

export interface LiveFramesOptions {
  readonly gate: AddressGate;
  /** With its credentials. */
  readonly address: string;
  readonly sampling: Sampling;
  readonly maxSidePixels: number;
  readonly maxWidthPixels: number | null;
  /** Whether the very first frames of each connection are wanted. */
  readonly fromFirst: boolean;
  readonly rtspTransport: RtspTransport;
  readonly clock: LiveClock;
  readonly limits: Pick<
    Config,
    'connectSeconds' | 'stallSeconds' | 'reconnectAttempts' | 'reconnectMaxSeconds' | 'mediaMemoryBytes'
  >;
  /** Told of each change, and waited for. What it throws ends the frames. */
  readonly report: (state: LiveState) => Promise<void>;
  /** With the stream's id in it. */
  readonly log: Log;
  /** Ends the frames early and without an error. */
  readonly signal: AbortSignal;
}

/** A frame that has just arrived. */
export interface LiveImage {
  readonly ptsSeconds: number;
  readonly image: RgbImage;
  readonly capturedAt: Date;
  /** On the clock of `performance.now()`. */
  readonly arrivedAtMs: number;
  readonly sourceWidth: number;
  readonly sourceHeight: number;
}

const FIRST_WAIT_MS = 500;
/** A source counts as silent only after it has missed so many frames, however slow it is asked to be. */
const FRAMES_MISSED = 3;

/**
 * Ends when a source that has an end was read to it, or `signal` fires; ffmpeg is gone by then. Errors: SOURCE_UNREACHABLE
 * when too many tries in a row have brought no frame; at once what another call of the source does not change, such as
 * ADDRESS_REFUSED, MEDIA_UNSUPPORTED, FFMPEG_MISSING, faults of this server (OVERLOADED, INTERNAL) and what `report` throws.
 */
export async function* liveFrames(options: LiveFramesOptions): AsyncGenerator<LiveImage, void, undefined> {
  const { limits, report, log, signal } = options;
  const maxMs = limits.reconnectMaxSeconds * 1000;
  /** Tries since the last frame. */
  let attempt = 0;
  let lastProblem = '';
  while (!signal.aborted) {
    let problem: AppError;
    try {
      for await (const image of oneConnection(options)) {
        attempt = 0;
        lastProblem = '';
        yield image;
      }
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      problem = toAppError(thrown);
      if (problem.code !== 'SOURCE_UNREACHABLE') throw problem;
      // A camera may be away for hours; each time the same is told in a line without a stack.
      const again = problem.message === lastProblem;
      log.warn({ code: problem.code, attempt, ...(again ? {} : { err: problem }) }, 'the source of a stream was lost');
      lastProblem = problem.message;
    }
    if (attempt >= limits.reconnectAttempts) {
      const message = `${problem.message} Given up after ${attempt} tries; open the stream again when its source is back.`;
      throw new AppError(problem.code, message, { cause: problem.cause });
    }
    attempt += 1;
    const waitMs = backoffMs(attempt, { firstMs: Math.min(FIRST_WAIT_MS, maxMs), maxMs });
    const { code, message } = problem;
    const nextTryAt = new Date(Date.now() + waitMs);
    await report({ status: 'RECONNECTING', retry: { attempt, nextTryAt, problem: { code, message } } });
    await pause(waitMs, signal);
  }
}

/** The frames of one connection, until a source with an end has come to it. */
async function* oneConnection(options: LiveFramesOptions): AsyncGenerator<LiveImage, void, undefined> {
  const { limits, report } = options;
  await using opened = await openAddress(options);
  await using source = await openLiveSource(opened, {
    ...options,
    connectSeconds: limits.connectSeconds,
    // No processor time: a stream runs for weeks, its one decoding thread takes a core at most, and the watch over the age
    // of its frames ends one that only computes.
    limits: { memoryBytes: limits.mediaMemoryBytes, cpuSeconds: 0 },
  });
  let running = false;
  for await (const { ptsSeconds, image } of watched(source, options)) {
    const [capturedAt, arrivedAtMs] = [new Date(), performance.now()];
    if (!running) await report({ status: 'RUNNING' });
    running = true;
    const { width: sourceWidth, height: sourceHeight } = source.sourceSize;
    yield { ptsSeconds, image, capturedAt, arrivedAtMs, sourceWidth, sourceHeight };
  }
}

async function openAddress({ gate, address, limits, signal }: LiveFramesOptions): Promise<OpenedAddress> {
  // It takes no fraction of a millisecond, which 16.1 s have in floating point.
  const late = AbortSignal.timeout(Math.ceil(limits.connectSeconds * 1000));
  using either = joinSignals([signal, late]);
  try {
    return await gate.open(address, { signal: either.signal });
  } catch (cause) {
    if (signal.aborted || !late.aborted) throw cause;
    throw new AppError('SOURCE_UNREACHABLE', `The address was not resolved within ${limits.connectSeconds} s.`, {
      cause,
    });
  }
}

/** A source is silent once no frame has come for so long. Seconds. */
export function stallSeconds(limits: Pick<Config, 'stallSeconds'>, sampling: Sampling): number {
  const frameSeconds = sampling.kind === 'RATE' ? 1 / sampling.framesPerSecond : 0;
  return Math.max(limits.stallSeconds, FRAMES_MISSED * frameSeconds);
}

/** The frames of a source, given up when it is silent for too long. Only time in which somebody waits counts. */
async function* watched(
  source: LiveSource,
  { limits, sampling, report }: LiveFramesOptions,
): AsyncGenerator<TimedImage, void, undefined> {
  const stallMs = stallSeconds(limits, sampling) * 1000;
  const frames = readFrames(source);
  for (;;) {
    const next = frames.next();
    if (!(await settlesWithin(next, stallMs))) {
      await report({ status: 'STALLED' });
      if (!(await settlesWithin(next, stallMs))) {
        throw new AppError('SOURCE_UNREACHABLE', `The source sent no frame for ${(2 * stallMs) / 1000} s.`);
      }
      await report({ status: 'RUNNING' });
    }
    const { done, value } = await next;
    if (done === true) return;
    yield value;
  }
}
