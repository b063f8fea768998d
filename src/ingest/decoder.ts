/** Decodes a video file to RGB frames: ffmpeg from its start to its end. */
import { Readable } from 'node:stream';
import type { MediaFacts, Sampling, StreamWarning } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Complaints } from './complaints.ts';
import { decodeArguments } from './ffmpeg-arguments.ts';
import { FrameClock } from './frame-clock.ts';
import { type MediaExit, type MediaLimits, UNLIMITED } from './media-limits.ts';
import { aborted, MediaProcess } from './media-process.ts';
import { timesRunForward } from './packet-times.ts';
import { gridOf, selectFilter, TICKS_PER_SECOND, toTicks } from './sampling.ts';
import { firstTicks } from './side-pipe.ts';

export interface DecoderOptions {
  readonly media: MediaFacts;
  readonly sampling: Sampling;
  /** The longer side of the frames is at most this; smaller videos keep their size. At least 1. */
  readonly maxSidePixels: number;
  /** Goes on where an earlier run ended: only frames later than this one, which must be a frame that run had. */
  readonly afterPtsSeconds?: number;
  /** Threads that decode. Default 2: more gain little beside the networks, which want the cores. */
  readonly threads?: number;
  /** What ffmpeg may have of the machine. Default all of it. */
  readonly limits?: MediaLimits;
  /** Kills ffmpeg when it fires. */
  readonly signal: AbortSignal;
}

/**
 * A running ffmpeg. It stops by itself while its output is not read; at most a few hundred kilobytes wait in between.
 * Disposing of it kills ffmpeg and resolves when it is gone; nothing else needs to be ended.
 */
export interface Decoder extends AsyncDisposable {
  /** Size of every frame in `video`; constant, even if the file changes its own in the middle. */
  readonly width: number;
  readonly height: number;
  /**
   * Packed RGB, `width * height * 3` bytes a frame, nothing in between. Fails with FFMPEG_MISSING where ffmpeg cannot be
   * started, ABORTED when the signal fired before it was.
   */
  readonly video: Readable;
  /** ffmpeg's metadata print, one record for each frame of `video`, its `pts` in whole ticks. */
  readonly metadata: Readable;
  /**
   * Media time in seconds of the frame with these ticks, or `null` for a frame that is to be left out. To be asked once
   * for every frame, in order: it remembers.
   */
  timeOf(ticks: number | null): number | null;
  /**
   * Settles when ffmpeg is gone and both outputs have been read to their ends, so not before they have. Rejects with
   * MEDIA_DAMAGED when not one frame came out, MEDIA_TOO_COSTLY when ffmpeg ran into a limit, FFMPEG_MISSING, ABORTED after the signal or the disposal, INTERNAL when
   * somebody else killed ffmpeg. Needs no handler.
   */
  readonly ended: Promise<void>;
  /** What had to be skipped or mended so far; complete once `ended` has settled. */
  warnings(): readonly StreamWarning[];
  /** Process id of ffmpeg, once it has been started; for logs. */
  readonly processId: Promise<number>;
}

/**
 * How far before the wanted frame a resumed run starts to read, in media time: past the key frame distance of nearly all
 * files, so that MPEG-TS too, which can be entered anywhere, has met a key frame by then.
 */
const PRE_ROLL_SECONDS = 10;

/** Starts to decode; what goes wrong comes out of the streams and of `ended`. */
export function openDecoder(path: string, options: DecoderOptions): Decoder {
  const { media, sampling, afterPtsSeconds, maxSidePixels } = options;
  const disposal = new AbortController();
  const signal = AbortSignal.any([options.signal, disposal.signal]);
  const clock = new FrameClock({
    grid: gridOf(sampling, media),
    ...(afterPtsSeconds === undefined ? {} : { afterPtsSeconds }),
    frameTicks: Math.round(TICKS_PER_SECOND / (media.framesPerSecond ?? 25)),
  });
  let complaints: Complaints | null = null;
  let rereads = false;
  const running = enter(path, { ...options, signal }).then((entered) => {
    rereads = entered.rereads;
    return entered.ffmpeg;
  });
  const processId = running.then(({ pid }) => pid);
  const ended = running.then(async (ffmpeg) => {
    complaints = ffmpeg.complaints;
    const exit = await ffmpeg.closed;
    if (signal.aborted) throw aborted(signal);
    checkExit(exit, ffmpeg);
  });
  // Whoever reads the frames learns of a failure from them.
  for (const promise of [processId, ended]) promise.catch(() => {});
  return {
    ...sizeWithin(media, maxSidePixels),
    video: lateStream(running.then(({ output }) => output)),
    metadata: lateStream(running.then(({ side }) => side!)),
    timeOf(ticks) {
      const seconds = clock.timeOf(ticks);
      if (rereads && seconds !== null) {
        rereads = false;
        complaints?.forgive();
      }
      return seconds;
    },
    ended,
    warnings: () => [...(complaints?.warnings() ?? []), ...clock.warnings()],
    processId,
    async [Symbol.asyncDispose]() {
      disposal.abort(new AppError('ABORTED', 'The decoding was given up.'));
      const ffmpeg = await running.catch(() => null);
      await ffmpeg?.[Symbol.asyncDispose]();
    },
  };
}

/**
 * Starts ffmpeg where the frames that are wanted begin. A resumed run gives the frames that an uninterrupted one would
 * have given: it seeks, looks whether the frame at `afterPtsSeconds` comes out first, and reads from the beginning where
 * it does not, or where there may be two frames with that time. `rereads`: what is read first was read, and complained of,
 * by an earlier run.
 */
async function enter(
  path: string,
  options: DecoderOptions,
): Promise<{ readonly ffmpeg: MediaProcess; readonly rereads: boolean }> {
  const { afterPtsSeconds, media, signal } = options;
  const seekSeconds = (afterPtsSeconds ?? Number.NEGATIVE_INFINITY) - PRE_ROLL_SECONDS;
  const isFar = afterPtsSeconds !== undefined && seekSeconds > media.startSeconds;
  if (isFar && (await timesRunForward(path, options))) {
    const fromTicks = toTicks(afterPtsSeconds);
    const ffmpeg = await startFfmpeg(path, options, { seekSeconds, fromTicks });
    if ((await firstTicks(ffmpeg.side!)) === fromTicks) {
      ffmpeg.complaints.forgive();
      return { ffmpeg, rereads: false };
    }
    await ffmpeg[Symbol.asyncDispose]();
    if (signal.aborted) throw aborted(signal);
  }
  return { ffmpeg: await startFfmpeg(path, options, null), rereads: afterPtsSeconds !== undefined };
}

function startFfmpeg(
  path: string,
  options: DecoderOptions,
  entry: { readonly seekSeconds: number; readonly fromTicks: number } | null,
): Promise<MediaProcess> {
  const { media, sampling, threads = 2, limits = UNLIMITED, signal } = options;
  const { width, height } = sizeWithin(media, options.maxSidePixels);
  const select = selectFilter(gridOf(sampling, media), entry?.fromTicks ?? null);
  // The size is fixed, so that one that changes in mid-file comes out stretched to it.
  const size = `${width}:${height}`;
  const args = decodeArguments({ path, seekSeconds: entry?.seekSeconds ?? null, select, size, threads });
  return MediaProcess.start('ffmpeg', args, { limits, sidePipe: true, signal });
}

/** A stream that can be had before the one it passes on exists; chunks go through uncopied. */
function lateStream(source: Promise<Readable>): Readable {
  async function* chunks(): AsyncGenerator<Buffer, void, undefined> {
    yield* (await source) as AsyncIterable<Buffer>;
  }
  // A failure that nobody reads must not end the process; a reader still gets it.
  source.catch(() => {});
  return Readable.from(chunks(), { objectMode: false }).on('error', () => {});
}

/** A decoder that dies of the file has met damage of the worst kind; one that is killed from outside may be tried again. */
const DEATHS_BY_THE_FILE: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL']);

function checkExit(exit: MediaExit, ffmpeg: MediaProcess): void {
  const { code, signal } = exit;
  const tooCostly = ffmpeg.limitHit(exit);
  if (tooCostly !== null) throw tooCostly;
  const cause = new Error(`ffmpeg ended with ${signal ?? code}: ${ffmpeg.complaints.text()}`);
  if (signal !== null && !DEATHS_BY_THE_FILE.has(signal)) {
    throw new AppError('INTERNAL', `ffmpeg was ended by ${signal} before the end of the video; try again.`, { cause });
  }
  if (ffmpeg.outputBytes === 0) {
    const message = 'Not one frame of the video could be decoded; encode it anew and try again.';
    throw new AppError('MEDIA_DAMAGED', message, { cause });
  }
  if (code !== 0) ffmpeg.complaints.gaveUp();
}

/** Fits a size into a square, keeping its shape; never larger than it is. */
function sizeWithin(
  { width, height }: { readonly width: number; readonly height: number },
  maxSidePixels: number,
): { readonly width: number; readonly height: number } {
  const scale = Math.min(1, maxSidePixels / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}
