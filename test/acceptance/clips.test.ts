/** Real clips and portraits that may not be part of the repository: left out where `../shared/data` is not beside it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FrameEstimate, ImageAnalysis } from '../../src/domain.ts';
import type { RunningPipeline } from '../../src/start-pipeline.ts';
import { allFrames, ended, openPipeline, submit, temporaryFolder } from '../pipeline/support.ts';

const DATA = fileURLToPath(new URL('../../../shared/data', import.meta.url));
const clip = (name: string): string => join(DATA, 'clips', name);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: RunningPipeline;
beforeAll(async () => {
  folder = await temporaryFolder();
  running = await openPipeline(folder.path, { WORKERS: '2' });
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function score(name: string): Promise<FrameEstimate[]> {
  const { pipeline, store } = running;
  const { id } = await submit(pipeline, clip(name));
  const stream = await ended(pipeline, id);
  expect(stream).toMatchObject({ status: 'COMPLETED', error: null, warnings: [] });
  return allFrames(store, id);
}

/** Frames on which each track was seen: number -> [first sequence, last sequence, frames]. */
function tracks(frames: readonly FrameEstimate[]): Record<number, [number, number, number]> {
  const seen: Record<number, [number, number, number]> = {};
  for (const { sequence, faces } of frames) {
    for (const { trackNumber } of faces) {
      const [first, , count] = seen[trackNumber] ?? [sequence, sequence, 0];
      seen[trackNumber] = [first, sequence, count + 1];
    }
  }
  return seen;
}

async function analyze(path: string): Promise<ImageAnalysis> {
  const [analysis] = await running.pipeline.analyzeImages([{ bytes: await readFile(path), name: null }], {
    store: false,
  });
  return analysis!;
}

describe('clips', () => {
  test('one face is one track over all its 72 frames', async () => {
    const frames = await score('single_face.mp4');
    expect(frames).toHaveLength(72);
    expect(tracks(frames)).toEqual({ 1: [0, 71, 72] });
  });

  test('a long clip is scored to its end with its one face', async () => {
    const frames = await score('WolfgangLanger_Pexels.mp4');
    expect(frames).toHaveLength(472);
    const [first, last, count] = tracks(frames)[1]!;
    expect([first, last]).toEqual([0, 471]);
    expect(count).toBeGreaterThan(460);
  });

  test('a clip without a face has none on any frame', async () => {
    const frames = await score('no_face.mp4');
    // Of its 98 pictures an edit list hides the first three.
    expect(frames).toHaveLength(95);
    expect(tracks(frames)).toEqual({});
  });

  test('the track of a face that leaves ends, and no other begins', async () => {
    const frames = await score('face_noface.mov');
    expect(frames).toHaveLength(169);
    const [first, last] = tracks(frames)[1]!;
    expect(first).toBe(0);
    expect(last).toBeLessThan(90);
    expect(Object.keys(tracks(frames))).toEqual(['1']);
  });

  test('a group picture gives all its five faces', async () => {
    expect((await analyze(clip('multi_face.jpg'))).faces).toHaveLength(5);
  });
});

test('portraits: smiling has the higher valence for at least 19 of 21 people', async () => {
  const people = (await readdir(join(DATA, 'london'))).filter((name) => name.endsWith('-neutral.jpg'));
  expect(people).toHaveLength(21);
  let higher = 0;
  for (const neutral of people) {
    const [calm, smile] = [
      await analyze(join(DATA, 'london', neutral)),
      await analyze(join(DATA, 'london', neutral.replace('neutral', 'smiling'))),
    ];
    expect([calm.faces.length, smile.faces.length]).toEqual([1, 1]);
    if (smile.faces[0]!.affect.valence > calm.faces[0]!.affect.valence) higher += 1;
  }
  expect(higher).toBeGreaterThanOrEqual(19);
});
