/** A live source as raw frames: one connection, from its first picture to its loss. */
import type { Readable } from 'node:stream';
import type { RtspTransport, Sampling } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { AddressKind, OpenedAddress } from './address-gate.ts';
import { refusedDecoder, undecodable } from './decoders.ts';
import { liveArguments } from './ffmpeg-arguments.ts';
import { accessArguments } from './live-access.ts';
import type { LiveClock } from './live-clock.ts';
import { LiveReport, type Size } from './live-report.ts';
import { type MediaLimits, UNLIMITED } from './media-limits.ts';
import { aborted, MediaProcess } from './media-process.ts';
import { gridOf, selectFilter } from './sampling.ts';

export interface LiveSourceOptions {
  readonly sampling: Sampling;
  /** The longer side of the frames is at most this; smaller pictures keep their size. At least 1. */
  readonly maxSidePixels: number;
  /** The same for the width alone; `null` for no further limit. */
  readonly maxWidthPixels: number | null;
  /**
   * Whether the frames that the look at the source's beginning takes (some 0.2 s of them) are wanted: for recordings. A
   * camera's would only be old.
   */
  readonly fromFirst: boolean;
  /** For RTSP alone. Default AUTO. */
  readonly rtspTransport?: RtspTransport;
  /** Gives the frames their times; it is told of the connection, and belongs to the stream. */
  readonly clock: LiveClock;
  /** The first picture must be there by then. Seconds, above 0. */
  readonly connectSeconds: number;
  /** What ffmpeg may have of the machine. Default all of it. */
  readonly limits?: MediaLimits;
  /** Kills ffmpeg when it fires. */
  readonly signal: AbortSignal;
}

/**
 * A connection that has shown its first picture. Its output must be read without pause, or the source may give up on us.
 * Disposing of it kills ffmpeg and resolves when it is gone; the address is left to its owner.
 */
export interface LiveSource extends AsyncDisposable {
  /** Size of every frame in `video`; constant, even if the source changes its own. */
  readonly width: number;
  readonly height: number;
  /** Upright size of what the source sends at this moment. */
  readonly sourceSize: Size;
  /** Packed RGB, `width * height * 3` bytes a frame. */
  readonly video: Readable;
  /** One record for each frame of `video`. */
  readonly metadata: Readable;
  /** Time of the frame with these ticks, or `null` for a frame to leave out. To be asked for every frame, in order. */
  timeOf(ticks: number | null): number | null;
  /**
   * Resolves when a source that has an end (a recording) was read to it. Rejects with SOURCE_UNREACHABLE for every other
   * end (or what the address's relay has refused), ABORTED after the signal or the disposal. Settles once both outputs have been read. Needs no handler.
   */
  readonly ended: Promise<void>;
  /** Process id of ffmpeg. */
  readonly processId: number;
}

/** Errors: SOURCE_UNREACHABLE, MEDIA_UNSUPPORTED, FFMPEG_MISSING, OVERLOADED, ABORTED, and what the address's relay has refused. */
export async function openLiveSource(opened: OpenedAddress, options: LiveSourceOptions): Promise<LiveSource> {
  const source = await connect(opened, options, 'MEDIA');
  if (source !== 'TIMELESS') return source;
  const again = await connect(opened, options, 'ARRIVAL');
  if (again !== 'TIMELESS') return again;
  throw new AppError('INTERNAL', 'A source without times was opened by their arrival and has none still.');
}

/** Opens the source; `'TIMELESS'` when its frames turn out to need the times of their arrival. */
async function connect(
  opened: OpenedAddress,
  options: LiveSourceOptions,
  times: 'MEDIA' | 'ARRIVAL',
): Promise<LiveSource | 'TIMELESS'> {
  const { clock, connectSeconds, signal, sampling, limits = UNLIMITED } = options;
  const report = new LiveReport({ mindsTimes: times === 'MEDIA' });
  const ffmpeg = await MediaProcess.start('ffmpeg', argumentsFor(opened, options, times), {
    limits,
    sidePipe: true,
    signal,
    onLine: (line) => report.line(line),
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    ffmpeg.kill();
  }, connectSeconds * 1000);
  await Promise.race([report.opened, ffmpeg.exited]);
  clearTimeout(timer);
  const { frameSize } = report;
  if (report.timeless || frameSize === null || late) {
    await ffmpeg[Symbol.asyncDispose]();
    if (signal.aborted) throw aborted(signal);
    if (report.timeless) return 'TIMELESS';
    if (opened.refusal !== undefined) throw opened.refusal;
    throw late
      ? unreachable(`The source showed no picture within ${connectSeconds} s.`, await complaintsOf(ffmpeg))
      : await notOpened(ffmpeg, opened.kind);
  }
  // Over HTTP a length means a recording; the other kinds give one to what never ends.
  const isRecording = opened.kind === 'HTTP' && report.finite;
  clock.connected({ isRecording, intervalSeconds: sampling.kind === 'RATE' ? 1 / sampling.framesPerSecond : 0 });
  let givenUp = false;
  const ended = ffmpeg.closed.then(({ code, signal: killedBy }) => {
    if (signal.aborted) throw aborted(signal);
    if (givenUp) throw new AppError('ABORTED', 'The source was given up.');
    const isWhole = code === 0 && !ffmpeg.complaints.isCutOff && opened.brokeOff !== true;
    if (isRecording && isWhole) return;
    if (opened.refusal !== undefined) throw opened.refusal;
    const cause = new Error(`ffmpeg ended with ${killedBy ?? code}: ${withoutAddresses(ffmpeg.complaints.text())}`);
    throw unreachable('The source has ended or closed the connection.', cause);
  });
  // Whoever reads the frames learns of a failure from them.
  ended.catch(() => {});
  return {
    ...frameSize,
    get sourceSize() {
      return report.sourceSize ?? frameSize;
    },
    video: ffmpeg.output,
    metadata: ffmpeg.side!,
    timeOf: (ticks) => clock.timeOf(ticks),
    ended,
    processId: ffmpeg.pid,
    async [Symbol.asyncDispose]() {
      givenUp = true;
      await ffmpeg[Symbol.asyncDispose]();
    },
  };
}

function argumentsFor(
  { kind, inputUrl, proxyUrl }: OpenedAddress,
  { sampling, maxSidePixels, maxWidthPixels, fromFirst, rtspTransport = 'AUTO' }: LiveSourceOptions,
  times: 'MEDIA' | 'ARRIVAL',
): readonly string[] {
  const select = selectFilter(gridOf(sampling, { startSeconds: 0 }), null);
  const widest = Math.min(maxSidePixels, maxWidthPixels ?? maxSidePixels);
  // Wide pixels become square ones. What the source changes to later ffmpeg scales to the size of the first picture.
  const shrink = `min(1,min(${widest}/(iw*sar),${maxSidePixels}/ih))`;
  const size = `w='max(1,round(iw*sar*${shrink}))':h='max(1,round(ih*${shrink}))'`;
  const proxy = proxyUrl === undefined ? [] : ['-http_proxy', proxyUrl];
  const arrival = times === 'ARRIVAL' ? ['-use_wallclock_as_timestamps', '1'] : [];
  return liveArguments({
    inputUrl,
    access: [...accessArguments(kind, rtspTransport), ...proxy, ...arrival],
    fromFirst,
    select,
    size,
  });
}

async function notOpened(ffmpeg: MediaProcess, kind: AddressKind): Promise<AppError> {
  const cause = await complaintsOf(ffmpeg);
  const text = ffmpeg.complaints.text();
  // Those of sound are refused in passing.
  const decoder = /opening decoder/i.test(text) ? refusedDecoder(text) : null;
  if (decoder !== null) return undecodable(decoder, cause);
  // A stream of weeks is not given up over it: what was sent may have been garbage, or ffmpeg's memory worn out.
  const tooCostly = ffmpeg.limitHit(await ffmpeg.closed);
  return unreachable(tooCostly?.message ?? whyNotOpened(kind, text), cause);
}

function whyNotOpened(kind: AddressKind, text: string): string {
  if (kind === 'DEVICE') {
    if (/no such|not found/i.test(text)) return 'This machine has no such device.';
    if (/busy/i.test(text)) return 'The device is in use by another program.';
    if (/permission|denied/i.test(text)) return 'The server may not read the device.';
    return 'The device could not be opened as a camera.';
  }
  if (/401|Unauthorized|authentication/i.test(text)) return 'The source refused the credentials of the address.';
  if (/404|Not Found/i.test(text)) return 'The source has nothing at this address (404).';
  if (/refused/i.test(text)) return 'The source refused the connection.';
  if (/matches no streams/i.test(text)) return 'The source sends no video.';
  return 'The source could not be opened as a video.';
}

async function complaintsOf(ffmpeg: MediaProcess): Promise<Error> {
  const { code, signal } = await ffmpeg.closed;
  return new Error(`ffmpeg ended with ${signal ?? code}: ${withoutAddresses(ffmpeg.complaints.text())}`);
}

/** ffmpeg names what it opens, with credentials and stream keys; neither belongs into a log. A quote may be part of them. */
export function withoutAddresses(text: string): string {
  return text.replace(/[a-z][a-z\d+.-]*:\/\/\S+/gi, '(address)');
}

function unreachable(message: string, cause: Error): AppError {
  return new AppError('SOURCE_UNREACHABLE', message, { cause });
}
