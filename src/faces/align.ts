import type { Landmarks, Point, RgbImage } from '../domain.ts';

/** Where three points of a face lie in its aligned crop, in [0, 1] of the crop's side. */
export interface CropTemplate {
  /** Side of the square crop in pixels. */
  readonly sizePixels: number;
  readonly rightEye: Point;
  readonly leftEye: Point;
  readonly mouthCentre: Point;
}

/** x' = a x - b y + shiftX, y' = b x + a y + shiftY. */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly shiftX: number;
  readonly shiftY: number;
}

/** Samples a crop pixel at most this many times along a side: beyond it, aliasing is no longer seen in the estimates. */
const MAX_SAMPLES = 4;

/**
 * The similarity (rotation, one scale, shift; never a mirror image) that maps `from` onto `to` with the least sum of
 * squared distances; both hold the same number of points, at least two different ones.
 */
export function fitSimilarity(from: readonly Point[], to: readonly Point[]): Similarity {
  const a0 = centre(from);
  const b0 = centre(to);
  let along = 0;
  let across = 0;
  let square = 0;
  for (const [index, point] of from.entries()) {
    const x = point.x - a0.x;
    const y = point.y - a0.y;
    const u = to[index]!.x - b0.x;
    const v = to[index]!.y - b0.y;
    along += x * u + y * v;
    across += x * v - y * u;
    square += x * x + y * y;
  }
  const a = along / square;
  const b = across / square;
  return { a, b, shiftX: b0.x - a * a0.x + b * a0.y, shiftY: b0.y - b * a0.x - a * a0.y };
}

function centre(points: readonly Point[]): Point {
  const sum = points.reduce((total, { x, y }) => ({ x: total.x + x, y: total.y + y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}

/**
 * The aligned crop of a face: `sizePixels * sizePixels * 3` bytes RGB.
 *
 * Eyes and mouth are mapped onto the template by {@link fitSimilarity} in pixels, where pixel (i, j) covers [i, i + 1) and
 * has its centre at + 0.5. Each crop pixel is the mean of n x n bilinear samples spread evenly over it, n the number of
 * source pixels in a crop pixel's side, rounded, 1 to 4; outside the picture its edge goes on. Training does the same.
 * Measured at 0.35 ms a face (112 pixels, n = 1) on one thread.
 */
export function alignFace(image: RgbImage, landmarks: Landmarks, template: CropTemplate): Uint8Array {
  const size = template.sizePixels;
  const inCrop = [template.rightEye, template.leftEye, template.mouthCentre].map(({ x, y }) => ({
    x: x * size,
    y: y * size,
  }));
  const inPicture = [landmarks.rightEye, landmarks.leftEye, landmarks.mouthCentre].map(({ x, y }) => ({
    x: x * image.width,
    y: y * image.height,
  }));
  return warp(image, fitSimilarity(inCrop, inPicture), size);
}

function warp({ rgb, width, height }: RgbImage, { a, b, shiftX, shiftY }: Similarity, size: number): Uint8Array {
  const crop = new Uint8Array(size * size * 3);
  const samples = Math.min(MAX_SAMPLES, Math.max(1, Math.round(Math.hypot(a, b))));
  const step = 1 / samples;
  const share = step * step;
  const maxX = width - 1;
  const maxY = height - 1;
  let to = 0;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let sample = 0; sample < samples * samples; sample++) {
        const x = column + ((sample % samples) + 0.5) * step;
        const y = row + (Math.floor(sample / samples) + 0.5) * step;
        const sourceX = Math.min(Math.max(a * x - b * y + shiftX - 0.5, 0), maxX);
        const sourceY = Math.min(Math.max(b * x + a * y + shiftY - 0.5, 0), maxY);
        const left = sourceX | 0;
        const top = sourceY | 0;
        const alongX = sourceX - left;
        const alongY = sourceY - top;
        const right = left < maxX ? 3 : 0;
        const below = top < maxY ? width * 3 : 0;
        const at = (top * width + left) * 3;
        const w00 = (1 - alongX) * (1 - alongY);
        const w10 = alongX * (1 - alongY);
        const w01 = (1 - alongX) * alongY;
        const w11 = alongX * alongY;
        red += w00 * rgb[at]! + w10 * rgb[at + right]! + w01 * rgb[at + below]! + w11 * rgb[at + right + below]!;
        green +=
          w00 * rgb[at + 1]! +
          w10 * rgb[at + right + 1]! +
          w01 * rgb[at + below + 1]! +
          w11 * rgb[at + right + below + 1]!;
        blue +=
          w00 * rgb[at + 2]! +
          w10 * rgb[at + right + 2]! +
          w01 * rgb[at + below + 2]! +
          w11 * rgb[at + right + below + 2]!;
      }
      crop[to++] = red * share + 0.5;
      crop[to++] = green * share + 0.5;
      crop[to++] = blue * share + 0.5;
    }
  }
  return crop;
}
