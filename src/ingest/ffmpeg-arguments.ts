/**
 * Puts together ffmpeg's arguments. The only file that knows fluent-ffmpeg, which is archived: it composes the command,
 * and the process is started by ours, since the library opens no third descriptor, hands the whole environment on and
 * leaves ffmpeg running when its output is destroyed.
 */
import fluent from 'fluent-ffmpeg';
import { MAX_DECODED_PIXELS, WHITELIST_ARGUMENTS } from './policy.ts';
import { TICKS_PER_SECOND } from './sampling.ts';

/** Which frames come out, and in what size. */
interface FrameOrder {
  /** A filter that leaves frames out; `null` for none. */
  readonly select: string | null;
  /** Width and height for ffmpeg's scale filter. */
  readonly size: string;
}

export interface DecodeOrder extends FrameOrder {
  readonly path: string;
  /** Media time to start reading at (or at the key frame before); `null` reads from the beginning. */
  readonly seekSeconds: number | null;
  readonly threads: number;
}

export interface LiveOrder extends FrameOrder {
  /** For ffmpeg's command line alone: it may carry credentials. */
  readonly inputUrl: string;
  /** White-lists and options of the protocol. */
  readonly access: readonly string[];
  /** Bytes that the look at the source's beginning may take, if it does not end before. */
  readonly probeBytes: number;
  /** Keeps the frames that were read to find out what the source is. */
  readonly fromFirst: boolean;
}

/** One thread for the filters: ffmpeg would make one a core, each of which reserves address space by the 100 MB. */
const UNATTENDED: readonly string[] = ['-nostdin', '-hide_banner', '-nostats', '-filter_threads', '1'];
const QUIET: readonly string[] = [...UNATTENDED, '-v', 'level+error'];
/** Tells what is opened and what sizes come and go, which no quieter level does. */
const TELLING: readonly string[] = [...UNATTENDED, '-v', 'level+verbose'];
/**
 * No frame waits for another: measured from camera to frame 37 ms over RTMP, 69 ms over RTSP (medians). The limits on the
 * look at the beginning hold back some 0.2 s of it; several threads would hold back a frame each.
 */
const AT_ONCE: readonly string[] = [
  ...['-flags', 'low_delay', '-analyzeduration', '200000'],
  ...['-threads', '1', '-max_pixels', String(MAX_DECODED_PIXELS)],
];
/** Raw video is "encoded" by several threads too, each of which holds a frame back until the next one comes. */
const RAW_FRAMES: readonly string[] = [
  ...['-map', '0:V:0', '-fps_mode', 'passthrough', '-pix_fmt', 'rgb24', '-threads', '1', '-f', 'rawvideo'],
];

/** Decodes a live source to packed RGB on descriptor 1, with times that begin anywhere. */
export function liveArguments({ inputUrl, access, probeBytes, fromFirst, ...frames }: LiveOrder): readonly string[] {
  const command = fluent()
    .input(inputUrl)
    .inputOptions(
      ...TELLING,
      ...access,
      ...AT_ONCE,
      '-probesize',
      String(probeBytes),
      ...(fromFirst ? [] : ['-fflags', 'nobuffer']),
    )
    .outputOptions(...RAW_FRAMES)
    .videoFilters(frameFilters(frames))
    .output('pipe:1');
  return composed(command);
}

/** Decodes the first video track that is no cover picture to packed RGB on descriptor 1, with the container's times. */
export function decodeArguments({ path, seekSeconds, threads, ...frames }: DecodeOrder): readonly string[] {
  // -seek_timestamp: the container's own times, also where they do not start at 0. -noaccurate_seek: without it ffmpeg
  // trims by a rule of its own that counts the start time twice under -copyts; we leave out what was read already.
  const seek = seekSeconds === null ? [] : ['-seek_timestamp', '1', '-noaccurate_seek', '-ss', seekSeconds.toFixed(6)];
  const decoding = ['-threads', String(threads), '-max_pixels', String(MAX_DECODED_PIXELS), '-copyts'];
  const command = fluent()
    .input(`file:${path}`)
    .inputOptions(...QUIET, ...WHITELIST_ARGUMENTS, ...decoding, ...seek)
    .outputOptions(...RAW_FRAMES)
    .videoFilters(frameFilters(frames))
    .output('pipe:1');
  return composed(command);
}

function frameFilters({ select, size }: FrameOrder): string[] {
  return [
    `settb=1/${TICKS_PER_SECOND}`,
    ...(select === null ? [] : [select]),
    // Averages where it shrinks.
    `scale=${size}:flags=area`,
    'format=rgb24',
    // Prints only the key that it has set itself: texts inside the file cannot pass for records.
    'metadata=add:key=circumplex:value=1',
    String.raw`metadata=print:key=circumplex:direct=1:file='pipe\:3'`,
  ];
}

/** The library's own word for the list that it would start ffmpeg with. */
function composed(command: fluent.FfmpegCommand): readonly string[] {
  return (command as unknown as { _getArguments(): string[] })._getArguments();
}
