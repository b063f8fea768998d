/** The program's own workers: real detector, real model, real photograph. */
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { createVisionPool, type VisionPool } from '../../src/batches/index.ts';
import type { RgbImage } from '../../src/domain.ts';

const PHOTOGRAPH = 'node_modules/@vladmandic/face-api/demo/sample1.jpg';

let pool: VisionPool;
beforeAll(async () => {
  pool = await createVisionPool({
    workers: 2,
    maxBatch: 8,
    maxWaitMs: 4,
    workerSetup: { detector: 'models/detector', model: 'models/affect', engine: 'onnxruntime', provider: 'cpu' },
  });
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
});

async function photograph(widthPixels: number): Promise<RgbImage> {
  const pixels = sharp(PHOTOGRAPH).resize(widthPixels).removeAlpha().raw();
  const { data, info } = await pixels.toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgb: new Uint8Array(data) };
}

describe('the workers of the program', () => {
  it('find and read the faces of a photograph, the same from any worker', async () => {
    const image = await photograph(960);
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd'].map(async (key) => {
        const found = await pool.findFaces(key, image);
        const sure = found.filter(({ face }) => face.score >= pool.facts.newTrackScore);
        const readings = await pool.readFaces(
          key,
          sure.map(({ crop }) => crop),
        );
        return { sure, readings };
      }),
    );
    const [first] = answers;
    expect(first!.sure.length).toBeGreaterThan(0);
    for (const { sure, readings } of answers) {
      expect(readings).toHaveLength(sure.length);
      expect(sure.map(({ face }) => face)).toEqual(first!.sure.map(({ face }) => face));
      for (const [index, reading] of readings.entries()) {
        expect(reading.affect.valence).toBeCloseTo(first!.readings[index]!.affect.valence, 4);
      }
    }
  });

  it('keep the memory of the process where it is over many pictures', async () => {
    const image = await photograph(640);
    const search = async (pictures: number): Promise<void> => {
      const streams = Array.from({ length: 4 }, async (_, stream) => {
        for (let number = 0; number < pictures / 4; number += 1) {
          const found = await pool.findFaces(`stream ${stream}`, { ...image, rgb: image.rgb.slice() });
          await pool.readFaces(
            `stream ${stream}`,
            found.map(({ crop }) => crop),
          );
        }
      });
      await Promise.all(streams);
    };
    await search(80);
    const before = process.memoryUsage().rss;
    await search(240);
    // The pictures alone are 200 MB; a leak of them, of crops or of batches would show.
    expect(process.memoryUsage().rss - before).toBeLessThan(80e6);
  });
});

test('large pictures and crops in turn keep the memory where it is', async () => {
  // 20 MB, and no face in it: the search costs little.
  const large = { width: 2600, height: 2600, rgb: new Uint8Array(2600 * 2600 * 3) };
  const crop = new Uint8Array(pool.facts.cropSizePixels ** 2 * 3);
  const inTurn = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      await pool.findFaces('large', large);
      await pool.readFaces('large', [crop]);
    }
  };
  await inTurn(4);
  const before = process.memoryUsage().rss;
  await inTurn(20);
  expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
});

describe('workers of the program whose jobs take too long', () => {
  const FACES = 128;

  it('are given up and replaced without harm to the process', async () => {
    await using hasty = await createVisionPool({
      workers: 1,
      maxBatch: FACES,
      maxWaitMs: 4,
      // In the middle of a run: reading them takes some 250 ms, and on no machine less than a tenth of that.
      jobTimeoutMs: 10,
      restartDelayMs: 5,
      workerSetup: { detector: 'models/detector', model: 'models/affect', engine: 'onnxruntime', provider: 'cpu' },
    });
    const { cropSizePixels } = hasty.facts;
    const crops = Array.from({ length: FACES }, () => new Uint8Array(cropSizePixels ** 2 * 3).fill(99));
    for (let call = 0; call < 2; call += 1) {
      await expect(hasty.readFaces('a', crops)).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    }
    expect(hasty.statistics().restarts).toBeGreaterThan(1);
  });
});
