import { fileURLToPath } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import type { Box, DetectedFace, RgbImage } from '../../src/domain.ts';

export function repositoryPath(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

/** One of the six group pictures of the development dependency `@vladmandic/face-api`. */
export function photograph(number: 1 | 2 | 3 | 4 | 5 | 6): string {
  return repositoryPath(`node_modules/@vladmandic/face-api/demo/sample${number}.jpg`);
}

export async function readPicture(path: string, change: (picture: Sharp) => Sharp = (same) => same): Promise<RgbImage> {
  const { data, info } = await change(sharp(path))
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgb: new Uint8Array(data) };
}

export const TEMPLATE = {
  sizePixels: 112,
  rightEye: { x: 0.31, y: 0.4 },
  leftEye: { x: 0.69, y: 0.4 },
  mouthCentre: { x: 0.5, y: 0.77 },
};

/** A face whose points lie where they do in an upright head. */
export function faceAt(box: Box, score = 0.9): DetectedFace {
  const at = (x: number, y: number) => ({ x: box.x + x * box.width, y: box.y + y * box.height });
  return {
    box,
    score,
    landmarks: {
      rightEye: at(0.3, 0.35),
      leftEye: at(0.7, 0.35),
      noseTip: at(0.5, 0.55),
      mouthCentre: at(0.5, 0.75),
      rightEar: null,
      leftEar: null,
    },
  };
}
