/** A file of this machine, picture or video, scored without a database: what the command line does. */
import { open, readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { VisionPool } from '../batches/index.ts';
import type { Config } from '../config.ts';
import type { FrameEstimate, MediaFacts, Sampling, StreamWarning } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { createSmoother } from '../estimates/index.ts';
import { createTracker } from '../faces/index.ts';
import { probeMedia } from '../ingest/index.ts';
import { analyzeImage } from './analyze-images.ts';
import { looksLikePicture, PICTURE_HEAD_BYTES } from './picture-kind.ts';
import { scoreFrames } from './score-frames.ts';
import { mediaLimits, openVideoFrames } from './video-frames.ts';
import { addWarnings } from './warnings.ts';

export interface FileAnalysisOptions {
  readonly config: Config;
  readonly vision: VisionPool;
  /** For videos; a picture is one frame in any case. */
  readonly sampling: Sampling;
  readonly signal: AbortSignal;
}

export interface FileAnalysis {
  /** `null` for a picture. */
  readonly media: MediaFacts | null;
  /**
   * Every frame in order; nothing runs before the first pull, and ffmpeg is gone when it has ended. Errors: those of the
   * medium, ENGINE_UNAVAILABLE, ABORTED.
   */
  readonly frames: AsyncGenerator<FrameEstimate, void, undefined>;
  /** Complete once `frames` has ended. */
  readonly warnings: () => readonly StreamWarning[];
}

/**
 * Looks what the file is and makes it ready. Errors: NOT_FOUND, MEDIA_UNSUPPORTED, MEDIA_DAMAGED,
 * MEDIA_WITHOUT_VIDEO, MEDIA_BLOCKED, MEDIA_TOO_COSTLY, FFMPEG_MISSING, ABORTED.
 */
export async function analyzeFile(path: string, options: FileAnalysisOptions): Promise<FileAnalysis> {
  if (looksLikePicture(await readHead(path))) {
    return { media: null, frames: pictureFrames(path, options), warnings: () => [] };
  }
  const media = await probeMedia(path, { limits: mediaLimits(options.config), signal: options.signal }).catch(
    (thrown: unknown) => {
      throw asNeither(toAppError(thrown));
    },
  );
  let failed: readonly StreamWarning[] = [];
  const video = openVideoFrames(path, {
    media,
    sampling: options.sampling,
    config: options.config,
    signal: options.signal,
  });
  async function* frames(): AsyncGenerator<FrameEstimate, void, undefined> {
    const { config, vision, signal } = options;
    const scored = scoreFrames(video.frames, {
      streamId: path,
      vision,
      tracker: createTracker({ newTrackScore: vision.facts.newTrackScore, maxMissSeconds: config.trackMissSeconds }),
      smoother: createSmoother({ timeConstantSeconds: config.smoothingSeconds }),
      minFaceness: config.minFaceness,
      framesInFlight: config.framesInFlight,
      signal,
    });
    let count = 0;
    for await (const { estimate, failure } of scored) {
      count += 1;
      if (failure !== null) {
        failed = addWarnings(failed, [
          { code: 'FRAMES_FAILED', message: 'A worker failed over a frame; its faces are missing.', count: 1 },
        ]);
      }
      yield estimate;
    }
    signal.throwIfAborted();
    if (count === 0) {
      throw new AppError('MEDIA_DAMAGED', 'Not one frame of the video could be decoded; encode it anew and try again.');
    }
  }
  return { media, frames: frames(), warnings: () => addWarnings(failed, video.warnings) };
}

async function* pictureFrames(
  path: string,
  { config, vision, signal }: FileAnalysisOptions,
): AsyncGenerator<FrameEstimate, void, undefined> {
  const { size } = await stat(path);
  if (size > config.maxImageBytes) {
    throw new AppError(
      'UPLOAD_TOO_LARGE',
      `The picture has ${size} bytes; at most ${config.maxImageBytes} are taken (MAX_IMAGE_BYTES).`,
    );
  }
  const bytes = await readFile(path);
  const analysis = await analyzeImage({ config, vision }, { bytes, name: basename(path) }, { signal });
  const { id, width, height, faces, latencyMs } = analysis;
  yield {
    streamId: id,
    sequence: 0,
    ptsSeconds: 0,
    capturedAt: null,
    width,
    height,
    faces,
    skippedBefore: 0,
    latencyMs,
  };
}

/** A file of this machine may have been meant as a picture, which the video's error does not know. */
function asNeither(error: AppError): AppError {
  if (error.code !== 'MEDIA_UNSUPPORTED') return error;
  const message = `${error.message} Pictures are JPEG, PNG, WebP, GIF, TIFF or AVIF.`;
  return new AppError(error.code, message, { cause: error.cause });
}

async function readHead(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(new Uint8Array(PICTURE_HEAD_BYTES), 0, PICTURE_HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    if (code === 'ENOENT') throw new AppError('NOT_FOUND', 'There is no such file.', { cause });
    throw new AppError('NOT_FOUND', `The file cannot be read (${String(code)}).`, { cause });
  }
}
