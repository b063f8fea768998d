import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FrameEstimate } from '../../src/domain.ts';
import { face, frame, streamRecord, type TestStore, testStore } from './support.ts';

/** More than two of the pieces that are read at once. */
const FRAMES = 25_500;
const ID = 'long';
let opened: TestStore;
let given: FrameEstimate[];

/** Track 1 is there all the time, each other one for 7,000 frames; frames 9,990 to 10,010 and 19,000 to 20,500 have one time each. */
function frameAt(sequence: number): FrameEstimate {
  const shown = [face(1, Math.sin(sequence), Math.cos(sequence))];
  if (sequence % 3 === 0) shown.push(face(2 + Math.floor(sequence / 7000), sequence / FRAMES, -0.5));
  const at =
    sequence >= 9990 && sequence <= 10_010 ? 9990 : sequence >= 19_000 && sequence <= 20_500 ? 19_000 : sequence;
  return { ...frame(ID, sequence, sequence % 5 === 0 ? [] : shown), ptsSeconds: at / 25 };
}

beforeAll(async () => {
  opened = await testStore();
  given = Array.from({ length: FRAMES }, (_, sequence) => frameAt(sequence));
  await opened.store.createStream(streamRecord(ID, { status: 'COMPLETED', endedAt: new Date() }));
  for (let at = 0; at < FRAMES; at += 2000) await opened.store.appendFrames(given.slice(at, at + 2000));
});
afterAll(() => opened[Symbol.asyncDispose]());

test.each([
  {},
  { trackNumber: 3 },
  { fromSeconds: 100.02 },
  { toSeconds: 400.01 },
  { fromSeconds: 0, toSeconds: 399.6 },
  { fromSeconds: 399.6, toSeconds: 820, trackNumber: 1 },
  { fromSeconds: 2000 },
  { fromSeconds: 5, toSeconds: 5 },
])('what is worked out in pieces is what it is in one: %j', async (query) => {
  const {
    fromSeconds = Number.NEGATIVE_INFINITY,
    toSeconds = Number.POSITIVE_INFINITY,
    trackNumber,
  } = query as {
    fromSeconds?: number;
    toSeconds?: number;
    trackNumber?: number;
  };
  const frames = given.filter(({ ptsSeconds }) => ptsSeconds >= fromSeconds && ptsSeconds < toSeconds);
  const facesOf = (one: FrameEstimate) =>
    one.faces.filter((shown) => trackNumber === undefined || shown.trackNumber === trackNumber);
  const faces = frames.flatMap(facesOf);
  const meanOf = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

  const summary = await opened.store.summary(ID, { neutralRadius: 0.3, ...query });
  expect(summary).toMatchObject({
    frames: frames.length,
    faces: faces.length,
    framesWithFaces: frames.filter((one) => facesOf(one).length > 0).length,
    tracks: new Set(faces.map((shown) => shown.trackNumber)).size,
    firstPtsSeconds: frames[0]?.ptsSeconds ?? null,
    lastPtsSeconds: frames.at(-1)?.ptsSeconds ?? null,
  });
  const buckets = await opened.store.timeline(ID, { bucketSeconds: 7, ...query });
  const wanted = grouped(frames);
  expect(buckets.map(({ startSeconds }) => startSeconds / 7)).toEqual([...wanted.keys()]);
  expect(buckets.map((bucket) => bucket.frames)).toEqual(Array.from(wanted.values(), (inside) => inside.length));
  expect(buckets.map((bucket) => bucket.faces)).toEqual(
    Array.from(wanted.values(), (inside) => inside.flatMap(facesOf).length),
  );
  if (faces.length === 0) {
    expect([summary.valence, summary.quadrants]).toEqual([null, []]);
    return;
  }
  const valences = faces.map(({ affect }) => affect.valence);
  expect(summary.valence!.mean).toBeCloseTo(meanOf(valences), 9);
  expect(summary.valence!.deviation ** 2).toBeCloseTo(meanOf(valences.map((v) => v * v)) - meanOf(valences) ** 2, 9);
  expect(summary.arousal!.min).toBe(Math.min(...faces.map(({ affect }) => affect.arousal)));
  expect(summary.quadrants.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
});

function grouped(frames: readonly FrameEstimate[]): Map<number, FrameEstimate[]> {
  const groups = new Map<number, FrameEstimate[]>();
  for (const one of frames) {
    const key = Math.floor(one.ptsSeconds / 7);
    groups.set(key, groups.get(key) ?? []);
    groups.get(key)!.push(one);
  }
  return groups;
}

test('a summary of a stream that is erased meanwhile is told so', async () => {
  await opened.store.createStream(streamRecord('erased', { status: 'COMPLETED', endedAt: new Date() }));
  for (let at = 0; at < FRAMES; at += 2000) {
    await opened.store.appendFrames(given.slice(at, at + 2000).map((one) => ({ ...one, streamId: 'erased' })));
  }
  const counting = opened.store.summary('erased', { neutralRadius: 0.3 });
  const erasing = opened.store.deleteStream('erased');
  await expect(counting).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await erasing;
});
