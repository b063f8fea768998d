/** The model of the repository on a real photograph. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { EXPRESSIONS } from '../../src/domain.ts';
import { createEngine, readModelCard } from '../../src/model/index.ts';

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
