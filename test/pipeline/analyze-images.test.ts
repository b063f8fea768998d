import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPipeline } from '../../src/start-pipeline.ts';
import { openPipeline, photograph, temporaryFolder } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: RunningPipeline;

beforeAll(async () => {
  folder = await temporaryFolder();
  const settings = { CONCURRENT_IMAGES: '2', MAX_QUEUED_IMAGES: '2', MAX_IMAGE_BYTES: '2000000' };
  running = await openPipeline(join(folder.path, 'data'), settings);
});

afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function picture(number: number) {
  return { bytes: await readFile(photograph(number)), name: `sample${number}.jpg` };
}

describe('analyzeImages', () => {
  it('scores the faces of each picture, largest first, in the order of the pictures, and stores them', async () => {
    const { pipeline, store } = running;
    const analyses = await pipeline.analyzeImages([await picture(3), await picture(6)]);
    expect(analyses.map(({ name, width }) => [name, width])).toEqual([
      ['sample3.jpg', 1920],
      ['sample6.jpg', 1920],
    ]);
    for (const analysis of analyses) {
      expect(analysis.faces.length).toBeGreaterThanOrEqual(3);
      expect(analysis.faces.map((face) => face.trackNumber)).toEqual(analysis.faces.map((_, index) => index + 1));
      const areas = analysis.faces.map(({ box }) => box.width * box.height);
      expect(areas).toEqual([...areas].sort((a, b) => b - a));
      for (const face of analysis.faces) {
        expect(face.smoothed).toEqual(face.affect);
        expect(face.expressions.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 3);
      }
      expect(await store.image(analysis.id)).toMatchObject({
        name: analysis.name,
        faces: { length: analysis.faces.length },
      });
    }
  });

  it('leaves no trace when it is told not to store', async () => {
    const { pipeline, store } = running;
    const [analysis] = await pipeline.analyzeImages([await picture(1)], { store: false });
    expect(await store.image(analysis!.id)).toBeNull();
  });

  it('names the picture that is none, and stores nothing of the others', async () => {
    const { pipeline } = running;
    const text = { bytes: new TextEncoder().encode('no picture'), name: 'notes "1".txt' };
    const done = pipeline.analyzeImages([await picture(1), text]);
    await expect(done).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED', message: expect.stringContaining('notes') });
  });

  it('refuses a picture with too many bytes', async () => {
    const large = { bytes: new Uint8Array(2_000_001), name: null };
    await expect(running.pipeline.analyzeImages([large])).rejects.toMatchObject({ code: 'UPLOAD_TOO_LARGE' });
  });

  it('refuses more pictures than may wait', async () => {
    const { pipeline } = running;
    const one = await picture(1);
    await expect(pipeline.analyzeImages(Array(5).fill(one))).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(pipeline.statistics().imagesInFlight).toBe(0);
    await expect(pipeline.analyzeImages([one], { store: false })).resolves.toHaveLength(1);
  });

  it('ends when its caller leaves', async () => {
    const done = running.pipeline.analyzeImages([await picture(1)], { signal: AbortSignal.abort() });
    await expect(done).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
