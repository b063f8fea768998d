/** A video file as a source of frames: joins the decoder (ingest) with the reader of its bytes (frames). */
import type { Frame, MediaFacts, Sampling, StreamWarning } from '../domain.ts';
import { readFrames } from '../frames/index.ts';
import { openDecoder } from '../ingest/index.ts';

export interface VideoFramesOptions {
  readonly media: MediaFacts;
  readonly sampling: Sampling;
  /** Longer side of the pictures that come out. */
  readonly maxSidePixels: number;
  /** Where an interrupted job goes on: the next sequence, and the time after which frames are wanted. */
  readonly resumeAfter?: { readonly sequence: number; readonly ptsSeconds: number };
  /** Ends the frames early: ffmpeg is killed and the generator ends without an error. */
  readonly signal: AbortSignal;
}

export interface VideoFrames {
  readonly frames: AsyncGenerator<Frame, void, undefined>;
  /** What ffmpeg had to skip or mend. Complete once `frames` has ended. */
  readonly warnings: readonly StreamWarning[];
}

/**
 * Opens the file at the first pull; ffmpeg is gone when the generator has ended, however it ended. Errors of the
 * generator: MEDIA_UNSUPPORTED, MEDIA_DAMAGED, MEDIA_BLOCKED, FFMPEG_MISSING.
 */
export function openVideoFrames(path: string, options: VideoFramesOptions): VideoFrames {
  const warnings: StreamWarning[] = [];
  return { frames: generate(path, options, warnings), warnings };
}

async function* generate(
  path: string,
  { media, sampling, maxSidePixels, resumeAfter, signal }: VideoFramesOptions,
  warnings: StreamWarning[],
): AsyncGenerator<Frame, void, undefined> {
  let sequence = resumeAfter === undefined ? 0 : resumeAfter.sequence + 1;
  const place = resumeAfter === undefined ? {} : { afterPtsSeconds: resumeAfter.ptsSeconds };
  try {
    await using decoder = openDecoder(path, { media, sampling, maxSidePixels, ...place, signal });
    try {
      for await (const { ptsSeconds, image } of readFrames(decoder)) {
        yield {
          sequence: sequence++,
          ptsSeconds,
          capturedAt: null,
          image,
          sourceWidth: media.width,
          sourceHeight: media.height,
          skippedBefore: 0,
        };
      }
    } finally {
      warnings.push(...decoder.warnings());
    }
  } catch (thrown) {
    // Killing ffmpeg looks like a broken file to its reader; whoever gave the signal knows better.
    if (!signal.aborted) throw thrown;
  }
}
