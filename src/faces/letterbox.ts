import type { RgbImage } from '../domain.ts';

/** A rectangle of pixels of a picture. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** How a region was fitted: canvas pixel = offset + scale * (source pixel - the region's corner). */
export interface Fit {
  readonly scale: number;
  readonly offsetX: number;
  readonly offsetY: number;
}

/**
 * Scales a region of the picture into the middle of `canvas` (width x height x RGB), the rest black, sides in proportion.
 * Shrinking averages every source pixel once; enlarging is bilinear. About 0.6 ms for 640x360 to 256x256.
 */
export function letterbox(
  image: RgbImage,
  region: Region,
  canvas: { readonly width: number; readonly height: number; readonly rgb: Uint8Array },
): Fit {
  const scale = Math.min(canvas.width / region.width, canvas.height / region.height);
  const width = Math.max(1, Math.min(canvas.width, Math.round(region.width * scale)));
  const height = Math.max(1, Math.min(canvas.height, Math.round(region.height * scale)));
  const left = (canvas.width - width) >> 1;
  const top = (canvas.height - height) >> 1;
  canvas.rgb.fill(0);
  const target = { left, top, width, height, stride: canvas.width, rgb: canvas.rgb };
  if (scale < 1) shrink(image, region, target);
  else enlarge(image, region, target);
  return { scale, offsetX: left, offsetY: top };
}

interface Target extends Region {
  readonly stride: number;
  readonly rgb: Uint8Array;
}

function shrink(image: RgbImage, region: Region, target: Target): void {
  const columns = cuts(region.left, region.width, target.width);
  const rows = cuts(region.top, region.height, target.height);
  const source = image.rgb;
  for (let y = 0; y < target.height; y++) {
    const firstRow = rows[y]!;
    const endRow = rows[y + 1]!;
    let to = ((target.top + y) * target.stride + target.left) * 3;
    for (let x = 0; x < target.width; x++) {
      const first = columns[x]!;
      const end = columns[x + 1]!;
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = firstRow; row < endRow; row++) {
        const stop = (row * image.width + end) * 3;
        for (let from = (row * image.width + first) * 3; from < stop; from += 3) {
          red += source[from]!;
          green += source[from + 1]!;
          blue += source[from + 2]!;
        }
      }
      const share = 1 / ((end - first) * (endRow - firstRow));
      target.rgb[to] = red * share + 0.5;
      target.rgb[to + 1] = green * share + 0.5;
      target.rgb[to + 2] = blue * share + 0.5;
      to += 3;
    }
  }
}

/** `parts + 1` whole numbers that cut `start ... start + length` into parts of at least one pixel. */
function cuts(start: number, length: number, parts: number): Int32Array {
  return Int32Array.from({ length: parts + 1 }, (_, index) => start + Math.floor((index * length) / parts));
}

function enlarge(image: RgbImage, region: Region, target: Target): void {
  const source = image.rgb;
  const right = region.left + region.width - 1;
  const bottom = region.top + region.height - 1;
  for (let y = 0; y < target.height; y++) {
    const sourceY = Math.min(
      Math.max(region.top, region.top + ((y + 0.5) * region.height) / target.height - 0.5),
      bottom,
    );
    const row = Math.floor(sourceY);
    const below = Math.min(row + 1, bottom);
    const down = sourceY - row;
    for (let x = 0; x < target.width; x++) {
      const sourceX = Math.min(
        Math.max(region.left, region.left + ((x + 0.5) * region.width) / target.width - 0.5),
        right,
      );
      const column = Math.floor(sourceX);
      const next = Math.min(column + 1, right);
      const along = sourceX - column;
      const a = (row * image.width + column) * 3;
      const b = (row * image.width + next) * 3;
      const c = (below * image.width + column) * 3;
      const d = (below * image.width + next) * 3;
      const to = ((target.top + y) * target.stride + target.left + x) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const upper = source[a + channel]! * (1 - along) + source[b + channel]! * along;
        const lower = source[c + channel]! * (1 - along) + source[d + channel]! * along;
        target.rgb[to + channel] = upper * (1 - down) + lower * down + 0.5;
      }
    }
  }
}
