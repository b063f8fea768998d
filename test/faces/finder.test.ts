import type { Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { alignFace } from '../../src/faces/align.ts';
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
