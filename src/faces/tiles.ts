import type { Region } from './letterbox.ts';

/** Neighbouring tiles share this much of their side, so that a face on a border is whole in one of them. */
const SHARED = 0.25;
/** Bounds the cost of a picture: 1 + 16 looks. */
const MAX_TILES_A_SIDE = 4;

/**
 * The second look of a large picture: overlapping square tiles, `tileSidePixels` or larger, that cover it. None for a
 * picture whose longer side is at most `fromSidePixels`.
 */
export function tilesOf(
  picture: { readonly width: number; readonly height: number },
  { tileSidePixels, fromSidePixels }: { readonly tileSidePixels: number; readonly fromSidePixels: number },
): Region[] {
  const longer = Math.max(picture.width, picture.height);
  if (longer <= fromSidePixels) return [];
  const smallest = Math.ceil(longer / (MAX_TILES_A_SIDE - SHARED * (MAX_TILES_A_SIDE - 1)));
  const side = Math.max(tileSidePixels, smallest);
  const lefts = starts(picture.width, side);
  return starts(picture.height, side).flatMap((top) =>
    lefts.map((left) => ({
      left,
      top,
      width: Math.min(side, picture.width),
      height: Math.min(side, picture.height),
    })),
  );
}

function starts(length: number, side: number): number[] {
  if (length <= side) return [0];
  const count = Math.ceil((length - side) / (side * (1 - SHARED))) + 1;
  return Array.from({ length: count }, (_, index) => Math.round((index * (length - side)) / (count - 1)));
}
