/** A video file as a source of frames: joins the decoder (ingest) with the reader of its bytes (frames). */
import type { Config } from '../config.ts';
import type { Frame, MediaFacts, Sampling, StreamWarning } from '../domain.ts';
import { AppError } from '../errors.ts';
import { settlesWithin } from '../flow/index.ts';
import { readFrames, type TimedImage } from '../frames/index.ts';
import { type Decoder, type MediaLimits, openDecoder } from '../ingest/index.ts';

/** The longer side of the pictures that come out, and what ffmpeg may take for them. */
export type VideoConfig = Pick<
  Config,
  'maxFrameSidePixels' | 'mediaMemoryBytes' | 'mediaCpuSeconds' | 'mediaStallSeconds'
>;

export interface VideoFramesOptions {
  readonly media: MediaFacts;
  readonly sampling: Sampling;
  readonly config: VideoConfig;
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
 * generator: MEDIA_DAMAGED, MEDIA_TOO_COSTLY, FFMPEG_MISSING.
 */
export function openVideoFrames(path: string, options: VideoFramesOptions): VideoFrames {
  const warnings: StreamWarning[] = [];
  return { frames: generate(path, options, warnings), warnings };
}

async function* generate(
  path: string,
  { media, sampling, config, resumeAfter, signal }: VideoFramesOptions,
  warnings: StreamWarning[],
): AsyncGenerator<Frame, void, undefined> {
  let sequence = resumeAfter === undefined ? 0 : resumeAfter.sequence + 1;
  const place = resumeAfter === undefined ? {} : { afterPtsSeconds: resumeAfter.ptsSeconds };
  try {
    await using decoder = openDecoder(path, {
      media,
      sampling,
      maxSidePixels: config.maxFrameSidePixels,
      ...place,
      limits: mediaLimits(config),
      signal,
    });
    try {
      for await (const { ptsSeconds, image } of unstalled(decoder, stallMs(config, sampling))) {
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

export function mediaLimits(config: Pick<Config, 'mediaMemoryBytes' | 'mediaCpuSeconds'>): MediaLimits {
  return { memoryBytes: config.mediaMemoryBytes, cpuSeconds: config.mediaCpuSeconds };
}

/** What lies between two frames that are wanted is decoded too, at worst ten times as slowly as it plays. */
const SLOWEST = 10;

function stallMs({ mediaStallSeconds }: VideoConfig, sampling: Sampling): number {
  const apartSeconds = sampling.kind === 'RATE' ? 1 / sampling.framesPerSecond : 0;
  return (mediaStallSeconds + SLOWEST * apartSeconds) * 1000;
}

/**
 * The frames of a file, given up when it brings none for too long, wanted or not: a resumed job may have to read again what
 * it had. Only time in which somebody waits counts.
 */
async function* unstalled(decoder: Decoder, limitMs: number): AsyncGenerator<TimedImage, void, undefined> {
  let read = 0;
  const frames = readFrames({
    ...decoder,
    timeOf(ticks) {
      read += 1;
      return decoder.timeOf(ticks);
    },
  });
  for (;;) {
    const next = frames.next();
    for (let before = read; !(await settlesWithin(next, limitMs)); before = read) {
      if (read > before) continue;
      // Nobody will wait for it once the decoder is gone.
      next.catch(() => {});
      throw new AppError(
        'MEDIA_TOO_COSTLY',
        `Decoding the video brought no frame for ${limitMs / 1000} s; raise MEDIA_STALL_SECONDS to wait longer.`,
      );
    }
    const { done, value } = await next;
    if (done === true) return;
    yield value;
  }
}
