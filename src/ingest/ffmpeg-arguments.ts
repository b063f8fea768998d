/**
 * Puts together ffmpeg's arguments. The only file that knows fluent-ffmpeg, which is archived: it composes the command,
 * and the process is started by ours, since the library opens no third descriptor, hands the whole environment on and
 * leaves ffmpeg running when its output is destroyed.
 */
import fluent from 'fluent-ffmpeg';
import { MAX_DECODED_PIXELS, WHITELIST_ARGUMENTS } from './policy.ts';

export interface DecodeOrder {
  readonly path: string;
  /** Media time to start reading at (or at the key frame before); `null` reads from the beginning. */
  readonly seekSeconds: number | null;
  /** Filters in their order, each written for ffmpeg's filter graph. */
  readonly filters: readonly string[];
  readonly threads: number;
}

const QUIET: readonly string[] = ['-nostdin', '-hide_banner', '-nostats', '-v', 'level+error'];

/** Decodes the first video track that is no cover picture to packed RGB on descriptor 1, with the container's times. */
export function decodeArguments({ path, seekSeconds, filters, threads }: DecodeOrder): readonly string[] {
  // -seek_timestamp: the container's own times, also where they do not start at 0. -noaccurate_seek: without it ffmpeg
  // trims by a rule of its own that counts the start time twice under -copyts; we leave out what was read already.
  const seek = seekSeconds === null ? [] : ['-seek_timestamp', '1', '-noaccurate_seek', '-ss', seekSeconds.toFixed(6)];
  const decoding = ['-threads', String(threads), '-max_pixels', String(MAX_DECODED_PIXELS), '-copyts'];
  const command = fluent()
    .input(`file:${path}`)
    .inputOptions(...QUIET, ...WHITELIST_ARGUMENTS, ...decoding, ...seek)
    .outputOptions('-map', '0:V:0', '-fps_mode', 'passthrough', '-pix_fmt', 'rgb24', '-f', 'rawvideo')
    .videoFilters([...filters])
    .output('pipe:1');
  return (command as unknown as { _getArguments(): string[] })._getArguments();
}
