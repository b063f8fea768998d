import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { z } from 'zod';
import type { DetectedFace, RgbImage } from '../domain.ts';
import { AppError } from '../errors.ts';
import { type Fit, letterbox, type Region } from './letterbox.ts';
import type { DetectorNetwork } from './network.ts';

const cardSchema = z.object({
  name: z.string(),
  kind: z.literal('blazeface'),
  file: z.string().regex(/^[\w.-]+$/),
  sha256: z.string().length(64),
  input: z.object({ name: z.string(), size: z.number().int().positive() }),
  output: z.object({ scores: z.string(), boxes: z.string() }),
  anchors: z.array(z.object({ stride: z.number().int().positive(), perCell: z.number().int().positive() })).min(1),
  thresholds: z.object({
    newTrack: z.number().min(0).max(1),
    keepTrack: z.number().min(0).max(1),
    sure: z.number().min(0).max(1),
    overlap: z.number().min(0).max(1),
  }),
});

/**
 * Smaller faces get a closer look for their points. On 42 portraits shrunk to boxes of so many pixels of the input, the
 * mean error of eyes and mouth, in distances between the eyes, at first and closer look (and how far the valence is from
 * the one of the full portrait): 34: .07, .07 (.026, .026), 20: .09, .05 (.026, .020), 11: .15, .04 (.110, .058).
 */
const PRECISE_FROM_PIXELS = 24;
/** Centre offset, width, height and six points. */
const NUMBERS_A_BOX = 16;

/** Opens the folder of a BlazeFace detector. Errors: ENGINE_UNAVAILABLE (missing, damaged or not its card's file). */
export async function openBlazeFace(
  folder: string,
  options: InferenceSession.SessionOptions,
): Promise<DetectorNetwork> {
  const { card, bytes } = await readFolder(folder);
  const size = card.input.size;
  const anchors = anchorCentres(size, card.anchors);
  const canvas = { width: size, height: size, rgb: new Uint8Array(size * size * 3) };
  const session = await InferenceSession.create(bytes, options).catch((cause: unknown) => {
    throw unusable(folder, `${card.file} cannot be loaded as ONNX`, cause);
  });

  async function run(): Promise<{ readonly scores: Float32Array; readonly boxes: Float32Array }> {
    const feeds = { [card.input.name]: new Tensor('uint8', canvas.rgb, [1, size, size, 3]) };
    const results = await session.run(feeds, [card.output.scores, card.output.boxes]);
    const [scores, boxes] = [results[card.output.scores]!, results[card.output.boxes]!];
    return { scores: scores.data as Float32Array, boxes: boxes.data as Float32Array };
  }

  try {
    const { scores, boxes } = await run();
    if (scores.length * 2 !== anchors.length || scores.length * NUMBERS_A_BOX !== boxes.length) {
      throw new Error(
        `it has ${scores.length} scores and ${boxes.length} numbers of boxes for ${anchors.length / 2} anchors`,
      );
    }
  } catch (cause) {
    await session.release();
    throw unusable(folder, `${card.file} does not fit its card: ${reasonOf(cause)}`, cause);
  }
  return {
    name: card.name,
    newTrackScore: card.thresholds.newTrack,
    keepTrackScore: card.thresholds.keepTrack,
    sureScore: card.thresholds.sure,
    preciseFromPixels: PRECISE_FROM_PIXELS,
    maxOverlap: card.thresholds.overlap,
    inputSidePixels: size,
    async look(image, region) {
      const fit = letterbox(image, region, canvas);
      const { scores, boxes } = await run();
      return decodeBlazeFace({ scores, boxes, anchors, minScore: card.thresholds.keepTrack }, { image, region, fit });
    },
    async [Symbol.asyncDispose]() {
      await session.release();
    },
  };
}

async function readFolder(folder: string) {
  try {
    const card = cardSchema.parse(JSON.parse(await readFile(join(folder, 'card.json'), 'utf8')));
    const bytes = await readFile(join(folder, card.file));
    if (createHash('sha256').update(bytes).digest('hex') !== card.sha256) throw new Error('the sha256 differs');
    return { card, bytes };
  } catch (cause) {
    throw unusable(folder, reasonOf(cause), cause);
  }
}

function unusable(folder: string, reason: string, cause: unknown): AppError {
  return new AppError('ENGINE_UNAVAILABLE', `The face detector in ${folder} cannot be used: ${reason}.`, { cause });
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** x and y of every anchor's centre, in pixels of the input, in the order of the network's outputs. */
export function anchorCentres(
  size: number,
  layers: readonly { readonly stride: number; readonly perCell: number }[],
): Float32Array {
  const centres: number[] = [];
  for (const { stride, perCell } of layers) {
    const cells = size / stride;
    for (let cell = 0; cell < cells * cells; cell++) {
      const x = ((cell % cells) + 0.5) * stride;
      const y = (Math.floor(cell / cells) + 0.5) * stride;
      for (let copy = 0; copy < perCell; copy++) centres.push(x, y);
    }
  }
  return Float32Array.from(centres);
}

export interface Placed {
  readonly image: Pick<RgbImage, 'width' | 'height'>;
  readonly region: Region;
  readonly fit: Fit;
}

/** `scores` N logits, `boxes` N x 16 -> faces with sigmoid(score) >= `minScore`, in the whole picture's coordinates. */
export function decodeBlazeFace(
  output: {
    readonly scores: Float32Array;
    readonly boxes: Float32Array;
    readonly anchors: Float32Array;
    readonly minScore: number;
  },
  { image, region, fit }: Placed,
): DetectedFace[] {
  const { scores, boxes, anchors, minScore } = output;
  const minLogit = Math.log(minScore / (1 - minScore));
  const toX = (pixels: number): number => ((pixels - fit.offsetX) / fit.scale + region.left) / image.width;
  const toY = (pixels: number): number => ((pixels - fit.offsetY) / fit.scale + region.top) / image.height;
  const faces: DetectedFace[] = [];
  for (let index = 0; index < scores.length; index++) {
    if (scores[index]! < minLogit) continue;
    const at = index * NUMBERS_A_BOX;
    const anchorX = anchors[index * 2]!;
    const anchorY = anchors[index * 2 + 1]!;
    const width = boxes[at + 2]!;
    const height = boxes[at + 3]!;
    const point = (number: number) => ({
      x: toX(anchorX + boxes[at + 4 + number * 2]!),
      y: toY(anchorY + boxes[at + 5 + number * 2]!),
    });
    faces.push({
      box: {
        x: toX(anchorX + boxes[at]! - width / 2),
        y: toY(anchorY + boxes[at + 1]! - height / 2),
        width: width / fit.scale / image.width,
        height: height / fit.scale / image.height,
      },
      landmarks: {
        rightEye: point(0),
        leftEye: point(1),
        noseTip: point(2),
        mouthCentre: point(3),
        rightEar: point(4),
        leftEar: point(5),
      },
      score: 1 / (1 + Math.exp(-scores[index]!)),
    });
  }
  return faces;
}
