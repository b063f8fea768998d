import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Landmarks, Point } from '../../src/domain.ts';
import { alignFace } from '../../src/faces/align.ts';
import { mapLandmarks } from '../../src/faces/geometry.ts';
import { createFaceFinder, type FaceFinder } from '../../src/faces/index.ts';
import { photograph, readPicture, repositoryPath, TEMPLATE } from './support.ts';

let finder: FaceFinder;
beforeAll(async () => {
  finder = await createFaceFinder({ detector: repositoryPath('models/detector'), template: TEMPLATE });
});
afterAll(() => finder[Symbol.asyncDispose]());

async function sureFaces(path: string, change?: Parameters<typeof readPicture>[1]) {
  const faces = await finder.find(await readPicture(path, change));
  return faces.filter(({ face }) => face.score >= finder.newTrackScore);
}

describe('finding faces in photographs', () => {
  // What a person counts; sample1 has a fourth face, turned away in the background, that is only a doubtful one.
  test.each([
    [1, 3],
    [2, 2],
    [3, 3],
    [4, 4],
    [5, 5],
    [6, 4],
  ] as const)('sample %i has %i sure faces', async (number, count) => {
    expect(await sureFaces(photograph(number))).toHaveLength(count);
  });

  test('every face has its eyes above its mouth, inside its box, and a crop of the size asked for', async () => {
    for (const { face, crop } of await sureFaces(photograph(5))) {
      const { rightEye, leftEye, mouthCentre } = face.landmarks;
      expect(rightEye.x).toBeLessThan(leftEye.x);
      expect(Math.max(rightEye.y, leftEye.y)).toBeLessThan(mouthCentre.y);
      for (const point of [rightEye, leftEye, mouthCentre]) {
        expect(point.x).toBeGreaterThan(face.box.x);
        expect(point.x).toBeLessThan(face.box.x + face.box.width);
      }
      expect(crop).toHaveLength(112 * 112 * 3);
    }
  });

  test('a mirrored picture has the same faces mirrored', async () => {
    const plain = await sureFaces(photograph(2));
    const mirrored = await sureFaces(photograph(2), (picture) => picture.flop());
    const centres = (faces: typeof plain, mirror: boolean) =>
      faces
        .map(({ face: { box } }) => box.x + box.width / 2)
        .map((x) => (mirror ? 1 - x : x))
        .sort((a, b) => a - b);
    const wanted = centres(plain, false);
    for (const [index, x] of centres(mirrored, true).entries()) expect(x).toBeCloseTo(wanted[index]!, 1);
  });

  test('an even picture has no face, whatever its size', async () => {
    for (const [width, height] of [
      [1, 1],
      [3, 700],
      [640, 360],
    ] as const) {
      const rgb = new Uint8Array(width * height * 3).fill(128);
      expect(await finder.find({ width, height, rgb })).toEqual([]);
    }
  });

  test('small faces of a large picture are found by the second look in tiles', async () => {
    // The group of sample 5 shrunk and put in the corner of a large grey picture: faces of some 40 pixels.
    const large = (picture: Sharp) =>
      picture.resize({ width: 500 }).extend({ top: 60, left: 60, right: 1840, bottom: 1400, background: '#777' });
    const withTiles = await sureFaces(photograph(5), large);
    const without = await createFaceFinder({
      detector: repositoryPath('models/detector'),
      template: TEMPLATE,
      tilesFromSidePixels: Number.POSITIVE_INFINITY,
    });
    const once = await without.find(await readPicture(photograph(5), large));
    await without[Symbol.asyncDispose]();
    expect(withTiles.length).toBeGreaterThanOrEqual(4);
    expect(once.length).toBeLessThan(withTiles.length);
  });

  test('a much enlarged group is found once, whole and in tiles, without parts of its faces', async () => {
    expect(await sureFaces(photograph(5), (picture) => picture.resize({ width: 2600 }))).toHaveLength(5);
  });

  test('the points of a small face are as good as those of a large one', async () => {
    const large = await sureFaces(photograph(2));
    // The same picture as a third of the width of a grey one: faces of some 20 pixels of the network's input.
    const { width, height } = await sharp(photograph(2)).metadata();
    const small = await sureFaces(photograph(2), (picture) =>
      picture.extend({ right: 2 * width, bottom: height, background: '#777' }),
    );
    expect(small).toHaveLength(large.length);
    for (const { face } of small) {
      const inPicture = mapLandmarks(face.landmarks, ({ x, y }) => ({ x: x * 3, y: y * 2 }));
      const errors = large.map(({ face: { landmarks } }) => pointError(inPicture, landmarks, { width, height }));
      expect(Math.min(...errors)).toBeLessThan(0.12);
    }
  });

  test('the aligned crop of a found face is found again upright and in the middle', async () => {
    const picture = await readPicture(photograph(3), (upright) => upright.rotate(25, { background: '#888' }));
    const [best] = await finder.find(picture);
    const crop = alignFace(picture, best!.face.landmarks, { ...TEMPLATE, sizePixels: 256 });
    const [again] = await finder.find({ width: 256, height: 256, rgb: crop });
    const { rightEye, leftEye, mouthCentre } = again!.face.landmarks;
    expect(Math.abs(rightEye.x - TEMPLATE.rightEye.x)).toBeLessThan(0.08);
    expect(Math.abs(leftEye.x - TEMPLATE.leftEye.x)).toBeLessThan(0.08);
    expect(Math.abs(mouthCentre.y - TEMPLATE.mouthCentre.y)).toBeLessThan(0.08);
    expect(Math.abs(rightEye.y - leftEye.y)).toBeLessThan(0.05);
  });
});

/** Mean distance of eyes and mouth from where they are wanted, in distances between the eyes. */
function pointError(
  points: Landmarks,
  wanted: Landmarks,
  { width, height }: { width: number; height: number },
): number {
  const apart = (a: Point, b: Point): number => Math.hypot((a.x - b.x) * width, (a.y - b.y) * height);
  const names = ['rightEye', 'leftEye', 'mouthCentre'] as const;
  const sum = names.reduce((total, name) => total + apart(points[name], wanted[name]), 0);
  return sum / names.length / apart(wanted.rightEye, wanted.leftEye);
}

describe('a detector that cannot be used', () => {
  test('a folder without a card is ENGINE_UNAVAILABLE and names the folder', async () => {
    const opening = createFaceFinder({ detector: repositoryPath('test/faces'), template: TEMPLATE });
    await expect(opening).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('test/faces'),
    });
  });

  test('an ONNX file with other outputs is told to be no YuNet', async () => {
    const opening = createFaceFinder({ detector: repositoryPath('models/detector/model.onnx'), template: TEMPLATE });
    await expect(opening).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('YuNet'),
    });
  });
});
