/** The model of the repository on a real photograph. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { EXPRESSIONS } from '../../src/domain.ts';
import { createEngine, readModelCard } from '../../src/model/index.ts';
import { realFaces } from './fixtures/real-faces.ts';

const FOLDER = 'models/affect';
const PHOTOGRAPH = 'node_modules/@vladmandic/face-api/demo/sample1.jpg';
/** The largest face of the photograph, by eye: shares of its width and height. */
const FACE = { x: 0.2, y: 0.27, width: 0.13, height: 0.22 };

async function faceCrop(sizePixels: number): Promise<Uint8Array> {
  const photograph = sharp(PHOTOGRAPH);
  const { width, height } = await photograph.metadata();
  const area = {
    left: Math.round(FACE.x * width),
    top: Math.round(FACE.y * height),
    width: Math.round(FACE.width * width),
    height: Math.round(FACE.height * height),
  };
  const pixels = photograph.extract(area).resize(sizePixels, sizePixels, { fit: 'fill' }).removeAlpha().raw();
  return new Uint8Array(await pixels.toBuffer());
}

describe('the affect model', () => {
  it('reads a face within its ranges, alone as in a batch', async () => {
    const card = await readModelCard(FOLDER);
    await using engine = await createEngine({ folder: FOLDER, card, provider: 'cpu' });
    const crop = await faceCrop(card.input.size);
    const noise = Uint8Array.from(crop, (_, index) => (index * 7919) % 256);
    const [alone] = await engine.infer(crop, 1);
    const [, second, third] = await engine.infer(new Uint8Array(Buffer.concat([noise, crop, crop])), 3);
    for (const reading of [alone!, second!, third!]) {
      expect(Math.abs(reading.affect.valence)).toBeLessThanOrEqual(1);
      expect(Math.abs(reading.affect.arousal)).toBeLessThanOrEqual(1);
      expect(reading.uncertainty).toBeGreaterThanOrEqual(0);
      expect(reading.expressions).toHaveLength(EXPRESSIONS.length);
      expect(reading.expressions.reduce((sum, probability) => sum + probability, 0)).toBeCloseTo(1, 6);
      expect(reading.affect.valence).toBeCloseTo(alone!.affect.valence, 4);
      expect(reading.affect.arousal).toBeCloseTo(alone!.affect.arousal, 4);
    }
  });
});

describe('the int8 variant of the affect model', () => {
  it('passes its self-check and reads real faces as the model in full does, but for a few hundredths', async () => {
    const [full, small] = await Promise.all([readModelCard(FOLDER), readModelCard('models/affect-int8')]);
    expect(small.version).toBe(`${full.version}-int8`);
    expect(small.input).toEqual(full.input);
    expect(small.template).toEqual(full.template);
    const faces = await realFaces(full, 12);
    const crops = new Uint8Array(Buffer.concat(faces));
    await using fullEngine = await createEngine({ folder: FOLDER, card: full, provider: 'cpu' });
    await using smallEngine = await createEngine({ folder: 'models/affect-int8', card: small, provider: 'cpu' });
    const wanted = await fullEngine.infer(crops, faces.length);
    const got = await smallEngine.infer(crops, faces.length);
    for (const [index, { affect, faceness }] of got.entries()) {
      expect(Math.abs(affect.valence - wanted[index]!.affect.valence)).toBeLessThan(0.05);
      expect(Math.abs(affect.arousal - wanted[index]!.affect.arousal)).toBeLessThan(0.05);
      expect(Math.abs(faceness - wanted[index]!.faceness)).toBeLessThan(0.1);
    }
    // Rounded to eight bits it cannot be the same file under another name.
    expect(got[0]!.affect.valence).not.toBe(wanted[0]!.affect.valence);
  });
});
