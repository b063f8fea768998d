import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Box, DetectedFace } from '../../src/domain.ts';
import { alignFace, fitSimilarity } from '../../src/faces/align.ts';
import { assign } from '../../src/faces/assignment.ts';
import { anchorCentres, decodeBlazeFace } from '../../src/faces/blazeface.ts';
import { clipToPicture, isPartOf, mapLandmarks, overlap } from '../../src/faces/geometry.ts';
import { letterbox } from '../../src/faces/letterbox.ts';
import { isPlausible } from '../../src/faces/plausible.ts';
import { suppress, withoutTwins } from '../../src/faces/suppress.ts';
import { tilesOf } from '../../src/faces/tiles.ts';
import { decodeYuNet } from '../../src/faces/yunet.ts';
import { faceAt } from './support.ts';

const unit = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const box: fc.Arbitrary<Box> = fc.record({
  x: unit(-0.5, 1),
  y: unit(-0.5, 1),
  width: unit(0.01, 1),
  height: unit(0.01, 1),
});

describe('boxes', () => {
  test('overlap is symmetric, within [0, 1], and 1 for a box with itself', () => {
    fc.assert(
      fc.property(box, box, (a, b) => {
        expect(overlap(a, b)).toBe(overlap(b, a));
        expect(overlap(a, b)).toBeGreaterThanOrEqual(0);
        expect(overlap(a, b)).toBeLessThanOrEqual(1 + 1e-9);
        expect(overlap(a, a)).toBeCloseTo(1, 9);
      }),
    );
  });

  test('a clipped box lies inside the picture and inside the box', () => {
    fc.assert(
      fc.property(box, (any) => {
        const clipped = clipToPicture(any);
        expect(clipped.x).toBeGreaterThanOrEqual(0);
        expect(clipped.x + clipped.width).toBeLessThanOrEqual(1 + 1e-9);
        expect(clipped.width).toBeLessThanOrEqual(any.width + 1e-9);
        expect(clipped.height).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

test('a part of a face lies in its box and is much smaller; the same face again is none', () => {
  const face = { x: 0.2, y: 0.2, width: 0.4, height: 0.4 };
  expect(isPartOf({ x: 0.3, y: 0.3, width: 0.2, height: 0.2 }, face)).toBe(true);
  expect(isPartOf({ x: 0.15, y: 0.3, width: 0.2, height: 0.2 }, face)).toBe(true);
  expect(isPartOf({ x: 0.05, y: 0.3, width: 0.2, height: 0.2 }, face)).toBe(false);
  expect(isPartOf({ x: 0.22, y: 0.22, width: 0.35, height: 0.35 }, face)).toBe(false);
  expect(isPartOf(face, { x: 0.3, y: 0.3, width: 0.2, height: 0.2 })).toBe(false);
});

describe('plausibility', () => {
  const image = { width: 400, height: 300 };
  const box = { x: 0.3, y: 0.3, width: 0.3, height: 0.4 };
  const face = faceAt(box);

  test('an upright face and one on its side are', () => {
    expect(isPlausible(face, image)).toBe(true);
    const turned = mapLandmarks(face.landmarks, ({ x, y }) => ({
      x: 0.45 + ((0.5 - y) * image.height) / image.width,
      y: 0.5 + ((x - 0.45) * image.width) / image.height,
    }));
    expect(isPlausible({ ...face, landmarks: turned }, image)).toBe(true);
  });

  test('mirrored points, eyes in one place, specks and boxes outside the picture are not', () => {
    const { rightEye, leftEye } = face.landmarks;
    const mirrored = { ...face.landmarks, rightEye: leftEye, leftEye: rightEye };
    expect(isPlausible({ ...face, landmarks: mirrored }, image)).toBe(false);
    expect(isPlausible({ ...face, landmarks: { ...face.landmarks, leftEye: rightEye } }, image)).toBe(false);
    expect(isPlausible(faceAt({ ...box, width: 0.02, height: 0.02 }), image)).toBe(false);
    expect(isPlausible(faceAt({ ...box, x: 0.95 }), image)).toBe(false);
    expect(isPlausible(faceAt({ ...box, x: 1.1 }), image)).toBe(false);
    expect(isPlausible(faceAt({ ...box, x: -0.1 }), image)).toBe(true);
  });
});

describe('suppression', () => {
  const crowd = fc.array(fc.tuple(box, unit(0.1, 1)), { minLength: 1, maxLength: 20 });

  test('every face is near one of the best ones, which stay apart, and the best comes first', () => {
    fc.assert(
      fc.property(crowd, (pairs) => {
        const candidates = pairs.map(([where, score]) => faceAt(where, score));
        const kept = suppress(candidates, 0.3);
        const scores = kept.map(({ score }) => score);
        expect(scores).toEqual([...scores].sort((a, b) => b - a));
        const best: DetectedFace[] = [];
        for (const one of [...candidates].sort((a, b) => b.score - a.score))
          if (best.every((better) => overlap(one.box, better.box) <= 0.3)) best.push(one);
        expect(scores).toEqual(best.map(({ score }) => score));
      }),
    );
  });

  test('without twins no two faces overlap, and each that went was beside a better one', () => {
    fc.assert(
      fc.property(crowd, (pairs) => {
        const faces = pairs.map(([where, score]) => faceAt(where, score));
        const kept = withoutTwins(faces, 0.3);
        for (const [index, face] of kept.entries())
          for (const other of kept.slice(index + 1)) expect(overlap(face.box, other.box)).toBeLessThanOrEqual(0.3);
        for (const face of faces)
          expect(
            kept.some((one) => one === face || (one.score >= face.score && overlap(one.box, face.box) > 0.3)),
          ).toBe(true);
      }),
    );
  });

  test('two views of one face become their mean weighted by score', () => {
    const first = faceAt({ x: 0.2, y: 0.2, width: 0.2, height: 0.2 }, 0.9);
    const second = faceAt({ x: 0.22, y: 0.2, width: 0.2, height: 0.2 }, 0.3);
    const [face, ...others] = suppress([second, first], 0.3);
    expect(others).toEqual([]);
    expect(face!.score).toBe(0.9);
    expect(face!.box.x).toBeCloseTo(0.205, 9);
  });
});

describe('assignment', () => {
  test('costs no more than the best of all permutations', () => {
    const matrix = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([rows, columns]) =>
      fc.array(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: columns, maxLength: columns }), {
        minLength: rows,
        maxLength: rows,
      }),
    );
    fc.assert(
      fc.property(matrix, (costs) => {
        const columns = assign(costs);
        const used = columns.filter((column) => column >= 0);
        expect(new Set(used).size).toBe(used.length);
        expect(used.length).toBe(Math.min(costs.length, costs[0]!.length));
        const total = columns.reduce((sum, column, row) => sum + (column < 0 ? 0 : costs[row]![column]!), 0);
        expect(total).toBe(cheapest(costs));
      }),
    );
  });

  test('nothing to assign gives nothing', () => {
    expect(assign([])).toEqual([]);
    expect(assign([[], []])).toEqual([-1, -1]);
  });
});

/** Brute force: each row takes any free column, or none while there are more rows than columns. */
function cheapest(costs: readonly (readonly number[])[]): number {
  const columns = costs[0]!.length;
  const search = (row: number, taken: ReadonlySet<number>): number => {
    if (row === costs.length) return 0;
    let best = costs.length - row > columns - taken.size ? search(row + 1, taken) : Number.POSITIVE_INFINITY;
    for (let column = 0; column < columns; column++) {
      if (taken.has(column)) continue;
      best = Math.min(best, costs[row]![column]! + search(row + 1, new Set([...taken, column])));
    }
    return best;
  };
  return search(0, new Set());
}

describe('alignment', () => {
  const points = [
    { x: 31, y: 40 },
    { x: 69, y: 40 },
    { x: 50, y: 77 },
  ];

  test('finds any turn, scale and shift again', () => {
    fc.assert(
      fc.property(unit(-3, 3), unit(0.05, 20), unit(-500, 500), unit(-500, 500), (angle, scale, shiftX, shiftY) => {
        const a = Math.cos(angle) * scale;
        const b = Math.sin(angle) * scale;
        const moved = points.map(({ x, y }) => ({ x: a * x - b * y + shiftX, y: b * x + a * y + shiftY }));
        const found = fitSimilarity(points, moved);
        expect(found.a).toBeCloseTo(a, 6);
        expect(found.b).toBeCloseTo(b, 6);
        expect(found.shiftX).toBeCloseTo(shiftX, 4);
        expect(found.shiftY).toBeCloseTo(shiftY, 4);
      }),
    );
  });

  test('copies a picture pixel for pixel when eyes and mouth lie on the template already', () => {
    const size = 16;
    const rgb = Uint8Array.from({ length: size * size * 3 }, (_, index) => (index * 7) % 256);
    const template = {
      sizePixels: size,
      rightEye: { x: 0.3, y: 0.4 },
      leftEye: { x: 0.7, y: 0.4 },
      mouthCentre: { x: 0.5, y: 0.8 },
    };
    const landmarks = { ...template, noseTip: { x: 0.5, y: 0.6 }, rightEar: null, leftEar: null };
    expect(alignFace({ width: size, height: size, rgb }, landmarks, template)).toEqual(rgb);
  });

  test('goes on with the edge outside the picture', () => {
    const rgb = new Uint8Array(4 * 4 * 3).fill(200);
    const template = {
      sizePixels: 8,
      rightEye: { x: 0.3, y: 0.4 },
      leftEye: { x: 0.7, y: 0.4 },
      mouthCentre: { x: 0.5, y: 0.8 },
    };
    const far = {
      rightEye: { x: 2, y: 2 },
      leftEye: { x: 3, y: 2 },
      mouthCentre: { x: 2.5, y: 3 },
      noseTip: { x: 2, y: 2 },
      rightEar: null,
      leftEar: null,
    };
    expect([...alignFace({ width: 4, height: 4, rgb }, far, template)].every((value) => value === 200)).toBe(true);
  });
});

describe('letterboxing', () => {
  test('keeps the mean colour of the picture and leaves the rest black, at any size', () => {
    const side = fc.integer({ min: 1, max: 90 });
    fc.assert(
      fc.property(side, side, (width, height) => {
        const canvas = { width: 32, height: 32, rgb: new Uint8Array(32 * 32 * 3).fill(9) };
        const image = { width, height, rgb: new Uint8Array(width * height * 3).fill(100) };
        const { scale, offsetX, offsetY } = letterbox(image, { left: 0, top: 0, width, height }, canvas);
        const values = new Set(canvas.rgb);
        expect([...values].every((value) => value === 0 || value === 100)).toBe(true);
        expect(values.has(100)).toBe(true);
        const right = offsetX + Math.round(width * scale);
        const bottom = offsetY + Math.round(height * scale);
        expect(Math.max(right, bottom)).toBeLessThanOrEqual(32);
      }),
    );
  });
});

test('letterboxing puts each pixel of a region where its scale and offsets say', () => {
  const [width, height] = [90, 70];
  const level = (x: number, y: number): number => 5 + 2 * x + y;
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    return level(pixel % width, Math.floor(pixel / width));
  });
  const size = fc.integer({ min: 8, max: 60 });
  fc.assert(
    fc.property(size, size, unit(0, 1), unit(0, 1), (regionWidth, regionHeight, x, y) => {
      const left = Math.floor(x * (width - regionWidth));
      const top = Math.floor(y * (height - regionHeight));
      const canvas = { width: 32, height: 32, rgb: new Uint8Array(32 * 32 * 3) };
      const region = { left, top, width: regionWidth, height: regionHeight };
      const { scale, offsetX, offsetY } = letterbox({ width, height, rgb }, region, canvas);
      // Away from the edges, where the picture ends.
      const margin = 2 / scale + 1;
      for (const [shareX, shareY] of [
        [0.5, 0.5],
        [0, 0],
        [1, 0.3],
      ] as const) {
        const atX = margin + shareX * (regionWidth - 2 * margin);
        const atY = margin + shareY * (regionHeight - 2 * margin);
        if (atX < margin || atY < margin) continue;
        const column = Math.floor(offsetX + scale * atX);
        const row = Math.floor(offsetY + scale * atY);
        // The middle of that pixel of the canvas, back in the picture; a level is that of a pixel's middle.
        const sourceX = left + (column + 0.5 - offsetX) / scale - 0.5;
        const sourceY = top + (row + 0.5 - offsetY) / scale - 0.5;
        const found = canvas.rgb[(row * 32 + column) * 3]!;
        // Cuts lie between whole pixels of the picture, and sides are rounded to whole ones of the canvas: of all sizes here
        // the most is 3.6, of 39 x 58.
        expect(Math.abs(found - level(sourceX, sourceY))).toBeLessThan(4 * Math.max(1, 0.6 / scale));
      }
    }),
  );
});

describe('tiles', () => {
  test('cover every pixel of a large picture, lie inside it and are bounded in number', () => {
    const side = fc.integer({ min: 1, max: 12_000 });
    fc.assert(
      fc.property(side, side, side, side, (width, height, x, y) => {
        const tiles = tilesOf({ width, height }, { tileSidePixels: 512, fromSidePixels: 1280 });
        if (Math.max(width, height) <= 1280) {
          expect(tiles).toEqual([]);
          return;
        }
        expect(tiles.length).toBeLessThanOrEqual(16);
        const px = x % width;
        const py = y % height;
        expect(
          tiles.some(({ left, top, width: w, height: h }) => px >= left && px < left + w && py >= top && py < top + h),
        ).toBe(true);
        for (const tile of tiles) {
          expect(tile.left + tile.width).toBeLessThanOrEqual(width);
          expect(tile.top + tile.height).toBeLessThanOrEqual(height);
        }
      }),
    );
  });
});

describe('decoding the networks', () => {
  const whole = {
    image: { width: 512, height: 256 },
    region: { left: 0, top: 0, width: 512, height: 256 },
    fit: { scale: 0.5, offsetX: 0, offsetY: 64 },
  };

  test('BlazeFace: offsets from the anchor, in pixels of the square input, become parts of the picture', () => {
    const anchors = anchorCentres(256, [
      { stride: 16, perCell: 2 },
      { stride: 32, perCell: 6 },
    ]);
    expect(anchors).toHaveLength(896 * 2);
    expect([...anchors.slice(0, 6)]).toEqual([8, 8, 8, 8, 24, 8]);
    expect([...anchors.slice(1024, 1026)]).toEqual([16, 16]);
    const scores = new Float32Array(896).fill(-10);
    const boxes = new Float32Array(896 * 16);
    const index = 512 + 6 * (8 * 4 + 4); // the cell in column 4, row 4 of the coarse layer: centre (144, 144)
    scores[index] = 2;
    boxes.set([0, -16, 64, 32, -10, -20], index * 16);
    const [face, ...others] = decodeBlazeFace({ scores, boxes, anchors, minScore: 0.5 }, whole);
    expect(others).toEqual([]);
    expect(face!.score).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
    expect(face!.box.x).toBeCloseTo((144 - 32) / 256, 6);
    expect(face!.box.y).toBeCloseTo((144 - 16 - 16 - 64) / 128, 6);
    expect(face!.box.width).toBeCloseTo(64 / 256, 6);
    expect(face!.landmarks.rightEye.x).toBeCloseTo(134 / 256, 6);
  });

  test('YuNet: cells, exponents and mouth corners become parts of the picture', () => {
    const cells = (256 / 32) ** 2;
    const layer = {
      stride: 32,
      cls: new Float32Array(cells),
      obj: new Float32Array(cells),
      bbox: new Float32Array(cells * 4),
      kps: new Float32Array(cells * 10),
    };
    const index = 8 * 3 + 2; // column 2, row 3
    layer.cls[index] = 0.81;
    layer.obj[index] = 1;
    layer.bbox.set([0.5, 0.5, Math.log(2), 0], index * 4);
    layer.kps.set([0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1], index * 10);
    const [face] = decodeYuNet({ layers: [layer], inputWidth: 256, minScore: 0.5 }, whole);
    expect(face!.score).toBeCloseTo(0.9, 6);
    expect(face!.box.width).toBeCloseTo(64 / 256, 6);
    expect(face!.box.height).toBeCloseTo(32 / 128, 6);
    expect(face!.box.x).toBeCloseTo((80 - 32) / 256, 6);
    expect(face!.landmarks.mouthCentre).toEqual({ x: 80 / 256, y: (128 - 64) / 128 });
    expect(face!.landmarks.rightEar).toBeNull();
  });
});
