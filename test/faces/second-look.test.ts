import { describe, expect, test } from 'vitest';
import type { DetectedFace } from '../../src/domain.ts';
import type { Region } from '../../src/faces/letterbox.ts';
import type { DetectorNetwork } from '../../src/faces/network.ts';
import { secondLook } from '../../src/faces/second-look.ts';
import { faceAt } from './support.ts';

const IMAGE = { width: 1000, height: 1000, rgb: new Uint8Array(0) };

/** A network that answers each look with what `answer` says of the region. */
function network(answer: (region: Region) => DetectedFace[]): DetectorNetwork & { readonly looks: Region[] } {
  const looks: Region[] = [];
  return {
    name: 'answers from a test',
    newTrackScore: 0.7,
    keepTrackScore: 0.5,
    sureScore: 0.8,
    preciseFromPixels: 24,
    maxOverlap: 0.3,
    inputSidePixels: 256,
    looks,
    async look(_image, region) {
      looks.push(region);
      return answer(region);
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** 200 of 1000 pixels: 51 of the input. */
const large = (score: number) => faceAt({ x: 0.4, y: 0.4, width: 0.2, height: 0.2 }, score);
/** 50 of 1000 pixels: 13 of the input. */
const small = (x: number, score: number) => faceAt({ x, y: 0.1, width: 0.05, height: 0.05 }, score);

describe('the second look', () => {
  test('is not spent on a sure face that is large', async () => {
    const net = network(() => []);
    expect(await secondLook(net, IMAGE, [large(0.9)])).toEqual([large(0.9)]);
    expect(net.looks).toEqual([]);
  });

  test('takes box and points of a doubtful face from there, and the mean of both scores', async () => {
    const closer = faceAt({ x: 0.41, y: 0.39, width: 0.21, height: 0.19 }, 0.9);
    const net = network(() => [closer]);
    const [face, ...others] = await secondLook(net, IMAGE, [large(0.7)]);
    expect(others).toEqual([]);
    expect(face!.box).toEqual(closer.box);
    expect(face!.landmarks).toEqual(closer.landmarks);
    expect(face!.score).toBeCloseTo(0.8, 9);
    expect(net.looks).toEqual([{ left: 150, top: 150, width: 700, height: 700 }]);
  });

  test('drops a face that is not found again in its place', async () => {
    const elsewhere = faceAt({ x: 0.7, y: 0.7, width: 0.2, height: 0.2 }, 0.95);
    expect(
      await secondLook(
        network(() => [elsewhere]),
        IMAGE,
        [large(0.75)],
      ),
    ).toEqual([]);
  });

  test('looks closer at a sure face that is small', async () => {
    const closer = { ...small(0.11, 0.95) };
    const [face] = await secondLook(
      network(() => [closer]),
      IMAGE,
      [small(0.1, 0.85)],
    );
    expect(face!.box).toEqual(closer.box);
    expect(face!.score).toBeCloseTo(0.9, 9);
  });

  test('makes one face of two boxes that find the same one', async () => {
    const face = faceAt({ x: 0.4, y: 0.4, width: 0.1, height: 0.1 }, 0.95);
    const beside = (x: number, score: number) => faceAt({ ...face.box, x }, score);
    const [kept, ...others] = await secondLook(
      network(() => [face]),
      IMAGE,
      [beside(0.35, 0.75), beside(0.45, 0.74)],
    );
    expect(others).toEqual([]);
    expect(kept!.score).toBeCloseTo(0.85, 9);
  });

  test('leaves a doubtful face alone that fills the picture: there is nothing to enlarge', async () => {
    const filling = faceAt({ x: 0.1, y: 0.1, width: 0.8, height: 0.8 }, 0.6);
    const net = network(() => []);
    expect(await secondLook(net, IMAGE, [filling])).toEqual([filling]);
    expect(net.looks).toEqual([]);
  });

  test('is bounded: of many doubtful faces the least likely go, of many small ones the last stay as they were', async () => {
    const places = Array.from({ length: 30 }, (_, index) => ({
      x: 0.15 * (index % 6),
      y: 0.2 + 0.15 * Math.floor(index / 6),
    }));
    const doubtful = places.map((place, index) => faceAt({ ...place, width: 0.12, height: 0.12 }, 0.79 - index / 1000));
    const sure = Array.from({ length: 18 }, (_, index) => small(0.1 + index / 25, 0.95));
    const net = network(({ left, width }) => [small((left + width / 2) / 1000 - 0.025, 0.95), ...doubtful]);
    const faces = await secondLook(net, IMAGE, [...sure, ...doubtful]);
    expect(net.looks).toHaveLength(16);
    expect(faces.filter(({ box }) => box.width < 0.1)).toHaveLength(18);
    expect(faces.filter(({ box }) => box.width > 0.1)).toEqual(doubtful.slice(0, 8));
    expect(faces.map(({ score }) => score)).toEqual(faces.map(({ score }) => score).sort((a, b) => b - a));
  });
});
