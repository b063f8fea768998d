import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { DetectedFace } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Placed } from './blazeface.ts';
import { letterbox, type Region } from './letterbox.ts';
import type { DetectorNetwork } from './network.ts';

export const YUNET_STRIDES = [8, 16, 32] as const;
/** What tells a YuNet file from any other. */
const OUTPUT_NAMES = YUNET_STRIDES.flatMap((stride) =>
  ['cls', 'obj', 'bbox', 'kps'].map((name) => `${name}_${stride}`),
);
/** Longer side of its input: 48-pixel faces of a 640-pixel picture are all found at this size (42 of 42 measured). */
const INPUT_SIDE = 640;
/** Scores of true and wrong boxes hardly mix: .8 left no wrong box on the measured clips, .5 keeps turned heads. */
const NEW_TRACK_SCORE = 0.8;
const KEEP_TRACK_SCORE = 0.5;
const MAX_OVERLAP = 0.3;

/** Opens a YuNet ONNX file. Errors: ENGINE_UNAVAILABLE (missing, damaged, or not a YuNet by its outputs). */
export async function openYuNet(path: string, options: InferenceSession.SessionOptions): Promise<DetectorNetwork> {
  const session = await InferenceSession.create(path, options).catch((cause: unknown) => {
    throw new AppError('ENGINE_UNAVAILABLE', `The face detector ${path} cannot be loaded as ONNX.`, { cause });
  });
  const input = session.inputNames[0];
  if (input === undefined || !OUTPUT_NAMES.every((name) => session.outputNames.includes(name))) {
    await session.release();
    throw new AppError(
      'ENGINE_UNAVAILABLE',
      `The face detector ${path} is not a YuNet: it needs the outputs ${OUTPUT_NAMES.join(', ')}.`,
    );
  }
  const fixed = fixedSide(session);
  return {
    name: 'yunet',
    newTrackScore: NEW_TRACK_SCORE,
    keepTrackScore: KEEP_TRACK_SCORE,
    sureScore: 0,
    preciseFromPixels: 0,
    maxOverlap: MAX_OVERLAP,
    inputSidePixels: fixed ?? INPUT_SIDE,
    async look(image, region) {
      const { width, height } = fixed === null ? inputSize(region) : { width: fixed, height: fixed };
      const canvas = { width, height, rgb: new Uint8Array(width * height * 3) };
      const fit = letterbox(image, region, canvas);
      const results = await session.run({
        [input]: new Tensor('float32', planarBgr(canvas.rgb), [1, 3, height, width]),
      });
      const layers = YUNET_STRIDES.map((stride) => {
        const values = (name: string) => results[`${name}_${stride}`]!.data as Float32Array;
        return { stride, cls: values('cls'), obj: values('obj'), bbox: values('bbox'), kps: values('kps') };
      });
      return decodeYuNet({ layers, inputWidth: width, minScore: KEEP_TRACK_SCORE }, { image, region, fit });
    },
    async [Symbol.asyncDispose]() {
      await session.release();
    },
  };
}

/** Some published files take one size only. */
function fixedSide(session: InferenceSession): number | null {
  const [metadata] = session.inputMetadata;
  const side = metadata?.isTensor ? metadata.shape[3] : undefined;
  return typeof side === 'number' && side > 0 ? side : null;
}

/** The region in proportion, its longer side at most INPUT_SIDE, both sides multiples of 32. */
function inputSize({ width, height }: Region): { width: number; height: number } {
  const scale = Math.min(1, INPUT_SIDE / Math.max(width, height));
  const side = (pixels: number): number => Math.max(32, Math.ceil((pixels * scale) / 32) * 32);
  return { width: side(width), height: side(height) };
}

function planarBgr(rgb: Uint8Array): Float32Array {
  const pixels = rgb.length / 3;
  const planes = new Float32Array(rgb.length);
  for (let pixel = 0, at = 0; pixel < pixels; pixel++, at += 3) {
    planes[pixel] = rgb[at + 2]!;
    planes[pixels + pixel] = rgb[at + 1]!;
    planes[2 * pixels + pixel] = rgb[at]!;
  }
  return planes;
}

export interface YuNetLayer {
  readonly stride: number;
  readonly cls: Float32Array;
  readonly obj: Float32Array;
  readonly bbox: Float32Array;
  readonly kps: Float32Array;
}

/** Faces with sqrt(cls * obj) >= `minScore`, in the whole picture's coordinates; the mouth is between its corners. */
export function decodeYuNet(
  output: { readonly layers: readonly YuNetLayer[]; readonly inputWidth: number; readonly minScore: number },
  { image, region, fit }: Placed,
): DetectedFace[] {
  const toX = (pixels: number): number => ((pixels - fit.offsetX) / fit.scale + region.left) / image.width;
  const toY = (pixels: number): number => ((pixels - fit.offsetY) / fit.scale + region.top) / image.height;
  const faces: DetectedFace[] = [];
  for (const { stride, cls, obj, bbox, kps } of output.layers) {
    const cells = output.inputWidth / stride;
    for (let index = 0; index < cls.length; index++) {
      const score = Math.sqrt(unit(cls[index]!) * unit(obj[index]!));
      if (score < output.minScore) continue;
      const cellX = index % cells;
      const cellY = Math.floor(index / cells);
      const width = Math.exp(bbox[index * 4 + 2]!) * stride;
      const height = Math.exp(bbox[index * 4 + 3]!) * stride;
      const point = (number: number) => ({
        x: toX((cellX + kps[index * 10 + number * 2]!) * stride),
        y: toY((cellY + kps[index * 10 + number * 2 + 1]!) * stride),
      });
      const [rightMouth, leftMouth] = [point(3), point(4)];
      faces.push({
        box: {
          x: toX((cellX + bbox[index * 4]!) * stride - width / 2),
          y: toY((cellY + bbox[index * 4 + 1]!) * stride - height / 2),
          width: width / fit.scale / image.width,
          height: height / fit.scale / image.height,
        },
        landmarks: {
          rightEye: point(0),
          leftEye: point(1),
          noseTip: point(2),
          mouthCentre: { x: (rightMouth.x + leftMouth.x) / 2, y: (rightMouth.y + leftMouth.y) / 2 },
          rightEar: null,
          leftEar: null,
        },
        score,
      });
    }
  }
  return faces;
}

function unit(value: number): number {
  return Math.min(1, Math.max(0, value));
}
