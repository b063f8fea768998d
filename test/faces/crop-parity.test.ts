/** The crops that training compares its own with are the crops that are served. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Point } from '../../src/domain.ts';
import { alignFace } from '../../src/faces/align.ts';

interface Fixture {
  readonly sizePixels: number;
  readonly template: Record<'rightEye' | 'leftEye' | 'mouthCentre', Point>;
  readonly cases: readonly {
    readonly about: string;
    readonly width: number;
    readonly height: number;
    readonly landmarks: Record<'rightEye' | 'leftEye' | 'mouthCentre', Point>;
    /** base64 of RGB bytes. */
    readonly crop: string;
  }[];
}

const FIXTURE = new URL('../../training/tests/fixtures/crop-parity.json', import.meta.url);
const { sizePixels, template, cases } = JSON.parse(readFileSync(FIXTURE, 'utf8')) as Fixture;

/** The picture that the fixture describes: channel c of pixel (x, y) is (7x + 13y + 50c + xy) mod 256. */
function pattern(width: number, height: number): Uint8Array {
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) rgb[(y * width + x) * 3 + c] = (7 * x + 13 * y + 50 * c + x * y) % 256;
    }
  }
  return rgb;
}

test.each(cases)('a crop $about is that of the fixture, byte by byte', ({ width, height, landmarks, crop }) => {
  const nose = { x: 0.5, y: 0.5 };
  const points = { ...landmarks, noseTip: nose, rightEar: null, leftEar: null };
  const aligned = alignFace({ width, height, rgb: pattern(width, height) }, points, { sizePixels, ...template });
  expect(Buffer.from(aligned).equals(Buffer.from(crop, 'base64'))).toBe(true);
});
