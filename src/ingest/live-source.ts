/** A live source as raw frames: one connection, from its first picture to its loss. */
import type { Readable } from 'node:stream';
import type { RtspTransport, Sampling, StreamWarning } from '../domain.ts';
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

const SEGMENTS_MISSING = 'Segments of the source could not be fetched; their frames are missing, the rest was read.';
const PROBE_BYTES = 32_768;
/**
 * A transport stream is entered anywhere, and says what is in it every half second at least: 32 kB are 29 ms of one of 9
 * Mbit/s, of which 2 joins in 16 were enough, with this all. Others would wait for so much: a motion JPEG camera for minutes.
 */
const TRANSPORT_PROBE_BYTES = 1_000_000;
/** How ffmpeg tells of an answer over RTSP and HTTP. */
const STATUS = /(?:method \w+ failed: |HTTP error |Server returned )(401|404)\b/;

export interface LiveSourceOptions {
  readonly sampling: Sampling;
  /** The longer side of the frames is at most this; smaller pictures keep their size. At least 1. */
  readonly maxSidePixels: number;
  /** The same for the width alone; `null` for no further limit. */
  readonly maxWidthPixels: number | null;
  /**
   * Whether the frames that the look at the source's beginning takes (some 0.2 s of them) are wanted: for recordings. A
   * camera's would only be old, and so would be what a live playlist has before its newest segment.
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
  /** Whether it has a length, and so an end. */
  readonly isRecording: boolean;
  /** Time of the frame with these ticks, or `null` for a frame to leave out. To be asked for every frame, in order. */
  timeOf(ticks: number | null): number | null;
  /**
   * Resolves when a source that has an end (a recording, a live playlist that was ended) was read to it. Rejects with
   * SOURCE_UNREACHABLE for every other end, ABORTED after the signal or the disposal. Settles once both outputs have been
   * read. Needs no handler.
   */
  readonly ended: Promise<void>;
  /** What is missing of a source that was read to its end; complete once `ended` has resolved. */
  warnings(): readonly StreamWarning[];
  /** Process id of ffmpeg. */
  readonly processId: number;
}

/** Errors: SOURCE_UNREACHABLE, MEDIA_UNSUPPORTED, FFMPEG_MISSING, OVERLOADED, ABORTED, and what the address's relay has refused. */
export async function openLiveSource(opened: OpenedAddress, options: LiveSourceOptions): Promise<LiveSource> {
  const traits = new Set<Trait>();
  for (;;) {
    const source = await connect(opened, options, traits);
    if (typeof source !== 'string') return source;
    if (traits.has(source))
      throw new AppError('INTERNAL', `A source was opened as ${source} and is found to be so again.`);
    traits.add(source);
  }
}

/**
 * What a source may turn out to be that ffmpeg has to be told from the start: its frames need the times of their arrival;
 * it is a playlist, to be entered at its newest segment (by an option that ffmpeg refuses for all else).
 */
type Trait = 'TIMELESS' | 'PLAYLIST';

/** Opens the source with the traits that are known; gives the one that it turns out to have besides. */
async function connect(
  opened: OpenedAddress,
  options: LiveSourceOptions,
  traits: ReadonlySet<Trait>,
): Promise<LiveSource | Trait> {
  const { clock, connectSeconds, signal, sampling, limits = UNLIMITED } = options;
  const report = new LiveReport({
    mindsTimes: !traits.has('TIMELESS'),
    mindsPlaylists: !options.fromFirst && !traits.has('PLAYLIST'),
  });
  const ffmpeg = await MediaProcess.start('ffmpeg', argumentsFor(opened, options, traits), {
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
  const trait = report.timeless ? 'TIMELESS' : report.playlist ? 'PLAYLIST' : null;
  if (trait !== null || frameSize === null || late) {
    await ffmpeg[Symbol.asyncDispose]();
    if (signal.aborted) throw aborted(signal);
    if (trait !== null) return trait;
    if (opened.refusal !== undefined) throw opened.refusal;
    throw late
      ? (opened.problem ??
          unreachable(`The source showed no picture within ${connectSeconds} s.`, await complaintsOf(ffmpeg)))
      : await notOpened(ffmpeg, opened);
  }
  // Over HTTP a length means a recording; the other kinds give one to what never ends.
  const isRecording = opened.kind === 'HTTP' && report.finite;
  clock.connected({ isRecording, intervalSeconds: sampling.kind === 'RATE' ? 1 / sampling.framesPerSecond : 0 });
  let givenUp = false;
  const ended = ffmpeg.closed.then(({ code, signal: killedBy }) => {
    if (signal.aborted) throw aborted(signal);
    if (givenUp) throw new AppError('ABORTED', 'The source was given up.');
    const { playlist } = opened;
    // ffmpeg steps over segments that do not come, and calls that a good end.
    const isWhole = !ffmpeg.complaints.isCutOff && opened.brokeOff !== true && playlist?.lastFailed !== true;
    // A live playlist that has ended has no more than what was missed of it, and called again it would begin anew.
    if (code === 0 && (isRecording ? isWhole : playlist?.hasEnded === true)) return;
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
    isRecording,
    timeOf: (ticks) => clock.timeOf(ticks),
    ended,
    warnings: () => missing(opened),
    processId: ffmpeg.pid,
    async [Symbol.asyncDispose]() {
      givenUp = true;
      await ffmpeg[Symbol.asyncDispose]();
    },
  };
}

function argumentsFor(
  { kind, shownUrl, inputUrl, proxyUrl, calledUrl }: OpenedAddress,
  { sampling, maxSidePixels, maxWidthPixels, fromFirst, rtspTransport = 'AUTO' }: LiveSourceOptions,
  traits: ReadonlySet<Trait>,
): readonly string[] {
  const select = selectFilter(gridOf(sampling, { startSeconds: 0 }), null);
  const widest = Math.min(maxSidePixels, maxWidthPixels ?? maxSidePixels);
  // Wide pixels become square ones. What the source changes to later ffmpeg scales to the size of the first picture.
  const shrink = `min(1,min(${widest}/(iw*sar),${maxSidePixels}/ih))`;
  const size = `w='max(1,round(iw*sar*${shrink}))':h='max(1,round(ih*${shrink}))'`;
  const proxy = proxyUrl === undefined ? [] : ['-http_proxy', proxyUrl];
  const called = calledUrl === undefined ? [] : ['-rtmp_tcurl', calledUrl];
  const arrival = traits.has('TIMELESS') ? ['-use_wallclock_as_timestamps', '1'] : [];
  const newest = traits.has('PLAYLIST') ? ['-live_start_index', '-1'] : [];
  return liveArguments({
    inputUrl,
    probeBytes: isTransportStream(kind, shownUrl) ? TRANSPORT_PROBE_BYTES : PROBE_BYTES,
    access: [...accessArguments(kind, rtspTransport), ...proxy, ...called, ...arrival, ...newest],
    // A segment's one key frame is its first: without it nothing would be seen until the next segment.
    fromFirst: fromFirst || traits.has('PLAYLIST'),
    select,
    size,
  });
}

function isTransportStream(kind: AddressKind, shownUrl: string): boolean {
  return kind === 'UDP' || kind === 'SRT' || (kind === 'HTTP' && /\.m?2?ts(?:\?|$)/i.test(shownUrl));
}

function missing({ playlist }: OpenedAddress): readonly StreamWarning[] {
  const count = playlist?.segmentsFailed ?? 0;
  return count === 0 ? [] : [{ code: 'MEDIA_DAMAGED', message: SEGMENTS_MISSING, count }];
}

async function notOpened(ffmpeg: MediaProcess, opened: OpenedAddress): Promise<AppError> {
  const cause = await complaintsOf(ffmpeg);
  const text = ffmpeg.complaints.text();
  // Those of sound are refused in passing.
  const decoder = /opening decoder/i.test(text) ? refusedDecoder(text) : null;
  if (decoder !== null) return undecodable(decoder, cause);
  // A stream of weeks is not given up over it: what was sent may have been garbage, or ffmpeg's memory worn out.
  const tooCostly = ffmpeg.limitHit(await ffmpeg.closed);
  if (tooCostly !== null) return unreachable(tooCostly.message, cause);
  return opened.problem ?? whyNotOpened(opened.kind, withoutAddresses(text), cause);
}

function whyNotOpened(kind: AddressKind, text: string, cause: Error): AppError {
  const [, status] = STATUS.exec(text) ?? [];
  if (status === '404') return unreachable('The source has nothing at this address (404).', cause);
  return unreachable(
    status === '401' ? 'The source refused the credentials of the address.' : reasonIn(kind, text),
    cause,
  );
}

function reasonIn(kind: AddressKind, text: string): string {
  if (kind === 'DEVICE') {
    if (/no such|not found/i.test(text)) return 'This machine has no such device.';
    if (/busy/i.test(text)) return 'The device is in use by another program.';
    if (/permission|denied/i.test(text)) return 'The server may not read the device.';
    return 'The device could not be opened as a camera.';
  }
  if (/authentication/i.test(text)) return 'The source refused the credentials of the address.';
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
