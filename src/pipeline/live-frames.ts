/** A live source as a source of frames that survives its losses: connect, read, lose, wait, connect again. */
import type { Config } from '../config.ts';
import type { LiveState, RgbImage, RtspTransport, Sampling, StreamWarning } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { backoffMs, joinSignals, pause, settlesWithin } from '../flow/index.ts';
import { readFrames, type TimedImage } from '../frames/index.ts';
import {
  type AddressGate,
  DefiniteError,
  type LiveClock,
  type LiveSource,
  type OpenedAddress,
  openLiveSource,
} from '../ingest/index.ts';
import type { Log } from '../log.ts';
import type { LivePace } from './live-pace.ts';

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
  /** Told of each connection; says when the source counts as silent. */
  readonly pace: LivePace;
  /** Whether the source has ever given a frame of this stream, also before a restart of the server. */
  readonly hasPlayed: boolean;
  readonly limits: Pick<
    Config,
    'connectSeconds' | 'stallSeconds' | 'reconnectAttempts' | 'reconnectMaxSeconds' | 'mediaMemoryBytes'
  >;
  /** Told of each change, and waited for. What it throws ends the frames. */
  readonly report: (state: LiveState) => Promise<void>;
  /** Told of what is missing although the frames ended well. */
  readonly warn: (warnings: readonly StreamWarning[]) => void;
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
/** A recording that breaks off so many times in a row without a frame more has no more. */
const MAX_FRUITLESS = 5;
const BROKEN_OFF = 'The recording breaks off before its end; the frames after that are missing.';

/**
 * Ends when a source that has an end was read to it, or as far as it goes (which `warn` is told), or `signal` fires; ffmpeg
 * is gone by then. Errors: SOURCE_UNREACHABLE when too many tries in a row have brought no frame, few where a source that
 * never gave one says clearly why; at once what another call of the source does not change, such as ADDRESS_REFUSED,
 * MEDIA_UNSUPPORTED, FFMPEG_MISSING, faults of this server (OVERLOADED, INTERNAL) and what `report` throws.
 */
export async function* liveFrames(options: LiveFramesOptions): AsyncGenerator<LiveImage, void, undefined> {
  const { limits, report, log, signal } = options;
  const maxMs = limits.reconnectMaxSeconds * 1000;
  let frames = 0;
  /** Tries since the last frame. */
  let attempt = 0;
  /** Calls in a row that ended by a clear word. */
  let definite = 0;
  /** Connections to a recording since its last frame. */
  let fruitless = 0;
  let lastProblem = '';
  while (!signal.aborted) {
    let problem: AppError;
    const before = frames;
    const called: Called = { source: null };
    try {
      for await (const image of oneConnection(options, called)) {
        frames += 1;
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
    const isRecording = called.source?.isRecording === true;
    if (frames > before) fruitless = 0;
    else if (isRecording) fruitless += 1;
    if (isRecording && frames > 0 && fruitless >= Math.min(MAX_FRUITLESS, limits.reconnectAttempts)) {
      return options.warn([{ code: 'MEDIA_DAMAGED', message: BROKEN_OFF, count: 1 }]);
    }
    definite = problem instanceof DefiniteError ? definite + 1 : 0;
    const hasPlayed = options.hasPlayed || frames > 0;
    const maxCalls = problem instanceof DefiniteError && !hasPlayed ? problem.maxCalls : Number.POSITIVE_INFINITY;
    if (definite >= maxCalls) throw givenUp(problem, definite);
    if (attempt >= limits.reconnectAttempts) throw givenUp(problem, attempt);
    attempt += 1;
    const waitMs = backoffMs(attempt, { firstMs: Math.min(FIRST_WAIT_MS, maxMs), maxMs });
    const { code, message } = problem;
    const nextTryAt = new Date(Date.now() + waitMs);
    await report({ status: 'RECONNECTING', retry: { attempt, nextTryAt, problem: { code, message } } });
    await pause(waitMs, signal);
  }
}

/** One call of the source: what it turned out to be, `null` until it showed its first picture. */
interface Called {
  source: LiveSource | null;
}

function givenUp({ code, message, cause }: AppError, tries: number): AppError {
  const what = `${message} Given up after ${tries} tries; open the stream again when its source is back.`;
  return new AppError(code, what, { cause });
}

/** The frames of one connection, until a source with an end has come to it. */
async function* oneConnection(options: LiveFramesOptions, called: Called): AsyncGenerator<LiveImage, void, undefined> {
  const { limits, pace, report, warn } = options;
  await using opened = await openAddress(options);
  await using source = await openLiveSource(opened, {
    ...options,
    connectSeconds: limits.connectSeconds,
    // No processor time: a stream runs for weeks, its one decoding thread takes a core at most, and the watch over the age
    // of its frames ends one that only computes.
    limits: { memoryBytes: limits.mediaMemoryBytes, cpuSeconds: 0 },
  });
  called.source = source;
  pace.connected(source, opened);
  let running = false;
  for await (const { ptsSeconds, image } of watched(source, options)) {
    const [capturedAt, arrivedAtMs] = [new Date(), performance.now()];
    if (!running) await report({ status: 'RUNNING' });
    running = true;
    const { width: sourceWidth, height: sourceHeight } = source.sourceSize;
    yield { ptsSeconds, image, capturedAt, arrivedAtMs, sourceWidth, sourceHeight };
  }
  warn(source.warnings());
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

/**
 * The frames of a source, given up when it is silent for too long. Only time in which somebody waits counts, and a frame
 * that is left out, as those of a recording that is read again, is no silence.
 */
async function* watched(
  source: LiveSource,
  { pace, report }: LiveFramesOptions,
): AsyncGenerator<TimedImage, void, undefined> {
  let read = 0;
  const frames = readFrames({
    ...source,
    timeOf(ticks) {
      read += 1;
      return source.timeOf(ticks);
    },
  });
  async function isSilent(next: Promise<unknown>): Promise<boolean> {
    for (let before = read; !(await settlesWithin(next, pace.stallSeconds * 1000)); before = read) {
      if (read === before) return true;
    }
    return false;
  }
  for (;;) {
    const next = frames.next();
    if (await isSilent(next)) {
      await report({ status: 'STALLED' });
      if (await isSilent(next)) {
        throw new AppError('SOURCE_UNREACHABLE', `The source sent no frame for ${2 * pace.stallSeconds} s.`);
      }
      await report({ status: 'RUNNING' });
    }
    const { done, value } = await next;
    if (done === true) return;
    yield value;
  }
}
