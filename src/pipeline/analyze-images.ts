/** Still pictures: decode, find every face, read them all, number them by size. */
import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import type { AnalysisFacts, Box, FaceEstimate, ImageAnalysis } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { decodeStill } from '../frames/index.ts';
import { realFaces, type Vision } from './score-frames.ts';
import type { AnalyzeImagesOptions, PictureInput } from './types.ts';

export interface ImageParts {
  readonly config: Pick<Config, 'maxImageBytes' | 'maxImagePixels' | 'maxImageSidePixels' | 'minFaceness'>;
  readonly vision: Vision & { readonly facts: { readonly newTrackScore: number } };
}

export interface PictureWish extends Pick<AnalyzeImagesOptions, 'ownerKeyId'> {
  readonly signal: AbortSignal;
  /** What makes the numbers, to be kept with them. Default it is not kept. */
  readonly analysis?: AnalysisFacts | null;
}

/**
 * Scores one picture. Errors: MEDIA_UNSUPPORTED, MEDIA_DAMAGED, PICTURE_TOO_LARGE, UPLOAD_TOO_LARGE, WORKER_FAILED,
 * OVERLOADED, ABORTED; each message begins with the picture's name.
 */
export async function analyzeImage(
  { config, vision }: ImageParts,
  picture: PictureInput,
  { signal, ownerKeyId = null, analysis = null }: PictureWish,
): Promise<ImageAnalysis> {
  const id = randomUUID();
  const createdAt = new Date();
  const beganAtMs = performance.now();
  try {
    signal.throwIfAborted();
    if (picture.bytes.byteLength > config.maxImageBytes) {
      throw new AppError(
        'UPLOAD_TOO_LARGE',
        `It has ${picture.bytes.byteLength} bytes; at most ${config.maxImageBytes} are taken (MAX_IMAGE_BYTES).`,
      );
    }
    const still = await decodeStill(picture.bytes, {
      maxPixels: config.maxImagePixels,
      maxSidePixels: config.maxImageSidePixels,
    });
    const found = await vision.findFaces(id, still.image, signal);
    // Without a next frame to confirm a weak find, only what would begin a track counts as a face.
    const certain = found
      .filter(({ face }) => face.score >= vision.facts.newTrackScore)
      .sort((a, b) => area(b.face.box) - area(a.face.box));
    const crops = certain.map(({ crop }) => crop);
    const readings = crops.length === 0 ? [] : await vision.readFaces(id, crops, signal);
    const faces = realFaces(certain, readings, config.minFaceness).map(
      ({ box, landmarks, score, reading }, index): FaceEstimate => ({
        trackNumber: index + 1,
        box,
        landmarks,
        score,
        ...reading,
        smoothed: reading.affect,
      }),
    );
    const { sourceWidth: width, sourceHeight: height } = still;
    const latencyMs = performance.now() - beganAtMs;
    return { id, ownerKeyId, createdAt, name: picture.name, width, height, faces, latencyMs, analysis };
  } catch (thrown) {
    const error = toAppError(thrown);
    const label = picture.name === null ? '' : `${JSON.stringify(picture.name)}: `;
    throw new AppError(error.code, `${label}${error.message}`, { cause: error.cause ?? error });
  }
}

function area({ width, height }: Box): number {
  return width * height;
}
