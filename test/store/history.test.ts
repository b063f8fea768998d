import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FrameEstimate, STREAM_STATUSES } from '../../src/domain.ts';
import { quadrant } from '../../src/estimates/index.ts';
import type { ImagePosition, Spread, Store } from '../../src/store/index.ts';
import { ANALYSIS, face, frame, randomFrames, streamRecord, type TestStore, testStore } from './support.ts';

let opened: TestStore;
let store: Store;
beforeAll(async () => {
  opened = await testStore();
  store = opened.store;
});
afterAll(() => opened[Symbol.asyncDispose]());

async function newStream(frames: (id: string) => readonly FrameEstimate[] = () => []): Promise<string> {
  const id = randomUUID();
  await store.createStream(streamRecord(id));
  await store.appendFrames(frames(id));
  return id;
}

const numbered = (count: number) => (id: string) => Array.from({ length: count }, (_, index) => frame(id, index));

describe('frames', () => {
  test('come back as they were given', async () => {
    const id = await newStream((stream) => [
      frame(stream, 0, [face(1), face(2)]),
      frame(stream, 1, []),
      frame(stream, 2),
    ]);
    const page = await store.frames(id, { first: 10 });
    expect(page).toEqual({
      items: [frame(id, 0, [face(1), face(2)]), frame(id, 1, []), frame(id, 2)],
      hasNextPage: false,
    });
  });

  test('pages join without a gap or a repetition, whatever their length', async () => {
    const id = await newStream(numbered(25));
    for (const first of [1, 7, 24, 25, 26]) {
      const seen: number[] = [];
      for (let after: number | undefined; ; ) {
        const page = await store.frames(id, { first, ...(after === undefined ? {} : { afterSequence: after }) });
        seen.push(...page.items.map(({ sequence }) => sequence));
        after = seen.at(-1);
        if (!page.hasNextPage) break;
      }
      expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => index));
    }
  });

  test('are given up to the longest page', async () => {
    const id = await newStream(numbered(1500));
    const page = await store.frames(id, { first: 1000 });
    expect(page.items).toHaveLength(1000);
    expect(page.items.every(({ faces }) => faces.length === 1)).toBe(true);
    expect(await store.framesAfter(id, -1, 2000)).toHaveLength(1500);
    expect(await store.lastFrames(id, 1000)).toHaveLength(1500);
  });

  test('a range begins with its start and ends before its end', async () => {
    const id = await newStream(numbered(20));
    const { items } = await store.frames(id, { first: 100, fromSeconds: 0.5, toSeconds: 1 });
    expect(items.map(({ ptsSeconds }) => ptsSeconds)).toEqual([0.5, 0.625, 0.75, 0.875]);
  });

  test('of one track are those in which it is, with that face alone', async () => {
    const id = await newStream((stream) => [
      frame(stream, 0, [face(1), face(2)]),
      frame(stream, 1, [face(1)]),
      frame(stream, 2, [face(2), face(3)]),
    ]);
    const { items } = await store.frames(id, { first: 10, trackNumber: 2 });
    expect(items.map(({ sequence, faces }) => [sequence, faces.map(({ trackNumber }) => trackNumber)])).toEqual([
      [0, [2]],
      [2, [2]],
    ]);
  });

  test('stored twice are kept once, as they were first', async () => {
    const id = await newStream(numbered(3));
    await store.appendFrames([frame(id, 2, []), frame(id, 3, [])]);
    const { items } = await store.frames(id, { first: 10 });
    expect(items.map(({ sequence, faces }) => [sequence, faces.length])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 0],
    ]);
  });

  test('of a stream that does not exist are STORE_FAILED, and disturb no other write of the same moment', async () => {
    const id = await newStream();
    const bad = store.appendFrames([frame('nobody', 0)]);
    await expect(bad).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await store.appendFrames([frame(id, 0)]);
    expect((await store.progress(id)).frames).toBe(1);
  });

  test('many calls at once are written in few transactions and all kept', async () => {
    const id = await newStream();
    const before = store.statistics().writes;
    await Promise.all(Array.from({ length: 5000 }, (_, sequence) => store.appendFrames([frame(id, sequence)])));
    expect(await store.progress(id)).toEqual({
      frames: 5000,
      faces: 5000,
      skipped: 0,
      lastSequence: 4999,
      lastPtsSeconds: 4999 / 8,
      nextTrackNumber: 2,
    });
    expect(store.statistics().writes - before).toBeLessThan(100);
    expect(store.statistics().framesWaiting).toBe(0);
  });

  test('the last seconds are given for a resume', async () => {
    const id = await newStream(numbered(20));
    const last = await store.lastFrames(id, 0.25);
    expect(last.map(({ sequence }) => sequence)).toEqual([17, 18, 19]);
  });
});

describe('bad questions', () => {
  test.each([
    [{ first: 0 }, 'BAD_INPUT'],
    [{ first: 1001 }, 'BAD_INPUT'],
    [{ first: 1.5 }, 'BAD_INPUT'],
    [{ first: 10, fromSeconds: 2, toSeconds: 1 }, 'RANGE_INVALID'],
    [{ first: 10, fromSeconds: Number.NaN }, 'BAD_INPUT'],
  ])('%j is %s', async (query, code) => {
    const id = await newStream();
    await expect(store.frames(id, query)).rejects.toMatchObject({ code });
  });

  test('a timeline of empty, endless, uncountable or backward buckets is refused', async () => {
    const id = await newStream(numbered(100));
    await expect(store.timeline(id, { bucketSeconds: 0 })).rejects.toMatchObject({ code: 'BAD_INPUT' });
    await expect(store.timeline(id, { bucketSeconds: Number.POSITIVE_INFINITY })).rejects.toMatchObject({
      code: 'BAD_INPUT',
    });
    await expect(store.timeline(id, { bucketSeconds: 1e-300 })).rejects.toMatchObject({ code: 'BAD_INPUT' });
    const backwards = store.timeline(id, { bucketSeconds: 1, fromSeconds: 1, toSeconds: 0 });
    await expect(backwards).rejects.toMatchObject({ code: 'RANGE_INVALID' });
  });
});

/** The same numbers worked out here. */
function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, min: Math.min(...values), max: Math.max(...values), deviation: Math.sqrt(variance) };
}

function expectSpread(actual: Spread | null, values: readonly number[]): void {
  const wanted = spread(values);
  if (wanted === null || actual === null) {
    expect(actual).toBe(wanted);
    return;
  }
  for (const name of ['mean', 'min', 'max'] as const) expect(actual[name]).toBeCloseTo(wanted[name], 9);
  // The difference of two near squares loses half the digits.
  expect(actual.deviation).toBeCloseTo(wanted.deviation, 5);
}

test('timeline and summary agree with the same sums in JavaScript, for all faces and for one track', async () => {
  await fc.assert(
    fc.asyncProperty(
      randomFrames('x'),
      fc.constantFrom(0.25, 0.5, 1, 3),
      fc.option(fc.integer({ min: 1, max: 4 })),
      async (given, bucketSeconds, only) => {
        const id = await newStream((stream) => given.map((one) => ({ ...one, streamId: stream })));
        const track = only === null ? {} : { trackNumber: only };
        const faces = given.flatMap((one) =>
          one.faces
            .filter(({ trackNumber }) => only === null || trackNumber === only)
            .map((a) => ({ ...a, ptsSeconds: one.ptsSeconds, sequence: one.sequence })),
        );
        const buckets = await store.timeline(id, { bucketSeconds, ...track });
        expect(buckets.reduce((sum, bucket) => sum + bucket.frames, 0)).toBe(given.length);
        expect(buckets.reduce((sum, bucket) => sum + bucket.faces, 0)).toBe(faces.length);
        for (const { startSeconds, endSeconds, valence, arousal } of buckets) {
          const inside = faces.filter(({ ptsSeconds }) => ptsSeconds >= startSeconds && ptsSeconds < endSeconds);
          expectSpread(
            valence,
            inside.map(({ affect }) => affect.valence),
          );
          expectSpread(
            arousal,
            inside.map(({ affect }) => affect.arousal),
          );
        }
        const summary = await store.summary(id, { neutralRadius: 0.3, ...track });
        expect(summary).toMatchObject({
          frames: given.length,
          faces: faces.length,
          framesWithFaces: new Set(faces.map(({ sequence }) => sequence)).size,
          tracks: new Set(faces.map(({ trackNumber }) => trackNumber)).size,
          firstPtsSeconds: given[0]!.ptsSeconds,
          lastPtsSeconds: given.at(-1)!.ptsSeconds,
        });
        expectSpread(
          summary.valence,
          faces.map(({ affect }) => affect.valence),
        );
        for (const { quadrant: name, share } of summary.quadrants) {
          expect(share).toBeCloseTo(
            faces.filter(({ affect }) => quadrant(affect, 0.3) === name).length / faces.length,
            9,
          );
        }
        if (faces.length > 0)
          expect(summary.expressions.map(({ probability }) => probability)).toEqual(face(1).expressions);
        await store.deleteStream(id);
      },
    ),
    { numRuns: 40 },
  );
});

test('a timeline counts the buckets that come, not the time between them', async () => {
  const id = await newStream((stream) =>
    [0, 30_000].map((ptsSeconds, sequence) => ({ ...frame(stream, sequence), ptsSeconds })),
  );
  const buckets = await store.timeline(id, { bucketSeconds: 1 });
  expect(buckets.map(({ startSeconds, frames, faces }) => [startSeconds, frames, faces])).toEqual([
    [0, 1, 1],
    [30_000, 1, 1],
  ]);
});

test('a timeline has 10,000 buckets at most', async () => {
  const id = await newStream((stream) => Array.from({ length: 10_001 }, (_, index) => frame(stream, index, [])));
  const bucketSeconds = 1 / 8;
  const lastSeconds = 10_000 / 8;
  expect(await store.timeline(id, { bucketSeconds, toSeconds: lastSeconds })).toHaveLength(10_000);
  await expect(store.timeline(id, { bucketSeconds })).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringMatching(/more than 10000 buckets.* take larger buckets or a shorter range/),
  });
});

test('a frame at the beginning of a bucket lies in it, whatever binary makes of the numbers', async () => {
  const rate = fc.constantFrom(5, 10, 25, 30, 50);
  const share = fc.constantFrom(1, 2, 5);
  await fc.assert(
    fc.asyncProperty(rate, share, async (framesPerSecond, framesABucket) => {
      const count = 20 * framesABucket;
      const id = await newStream((stream) =>
        Array.from({ length: count }, (_, index) => ({
          ...frame(stream, index, []),
          ptsSeconds: Math.round((index / framesPerSecond) * 1e9) / 1e9,
        })),
      );
      const buckets = await store.timeline(id, { bucketSeconds: framesABucket / framesPerSecond });
      expect(buckets.map(({ frames }) => frames)).toEqual(Array(20).fill(framesABucket));
      for (const [index, { endSeconds }] of buckets.slice(0, -1).entries())
        expect(buckets[index + 1]!.startSeconds).toBe(endSeconds);
      expect(buckets.every(({ startSeconds }) => String(startSeconds).length < 13)).toBe(true);
      await store.deleteStream(id);
    }),
    { numRuns: 15 },
  );
});

describe('tracks', () => {
  test('are listed by number with their stretch and mean', async () => {
    const id = await newStream((stream) => [
      frame(stream, 0, [face(1, 0.5, 0)]),
      frame(stream, 1, [face(1, 0, 0.5), face(2)]),
      frame(stream, 2, [face(2)]),
    ]);
    const page = await store.tracks(id, { first: 1 });
    expect(page).toEqual({
      items: [
        {
          trackNumber: 1,
          firstPtsSeconds: 0,
          lastPtsSeconds: 0.125,
          frames: 2,
          meanValence: 0.25,
          meanArousal: 0.25,
          meanScore: 0.875,
        },
      ],
      hasNextPage: true,
    });
    const rest = await store.tracks(id, { first: 5, afterTrackNumber: 1 });
    expect(rest.items.map(({ trackNumber }) => trackNumber)).toEqual([2]);
    expect(await store.track(id, 2)).toEqual(rest.items[0]);
    expect(await store.track(id, 3)).toBeNull();
  });
});

describe('streams', () => {
  test('are kept with every field and changed one by one', async () => {
    const id = await newStream();
    expect(await store.stream(id)).toEqual(streamRecord(id));
    const endedAt = new Date('2026-02-03T04:05:06.789Z');
    const warnings = [{ code: 'MEDIA_DAMAGED' as const, message: 'a gap', count: 3 }];
    const patch = {
      status: 'FAILED' as const,
      endedAt,
      error: { code: 'MEDIA_DAMAGED', message: 'broken' },
      warnings,
      uploadId: null,
      retentionDays: 2.5,
    };
    expect(await store.updateStream(id, patch)).toEqual({ ...streamRecord(id), ...patch, revision: 1 });
    expect(await store.stream(id)).toEqual({ ...streamRecord(id), ...patch, revision: 1 });
    await expect(store.updateStream('nobody', {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await store.stream('nobody')).toBeNull();
  });

  test('are counted by status, those of no stream as well', async () => {
    await using own = await testStore();
    const none = Object.fromEntries(STREAM_STATUSES.map((status) => [status, 0]));
    expect(await own.store.countStreams()).toEqual(none);
    for (const [index, status] of (['RUNNING', 'FAILED', 'FAILED'] as const).entries()) {
      await own.store.createStream(streamRecord(`s${index}`, { status }));
    }
    expect(await own.store.countStreams()).toEqual({ ...none, RUNNING: 1, FAILED: 2 });
  });

  test('are listed newest first, in pages, also when many began at the same moment', async () => {
    await using other = await testStore();
    const ids: string[] = [];
    for (let index = 0; index < 9; index++) {
      const id = `s${index}`;
      ids.unshift(id);
      const createdAt = new Date(1_700_000_000_000 + Math.floor(index / 3));
      await other.store.createStream(streamRecord(id, { createdAt, status: index % 2 === 0 ? 'COMPLETED' : 'QUEUED' }));
    }
    const seen: string[] = [];
    for (let after: { id: string; createdAt: Date } | undefined; ; ) {
      const page = await other.store.streams({ first: 2, ...(after === undefined ? {} : { after }) });
      seen.push(...page.items.map(({ id }) => id));
      after = page.items.at(-1);
      if (!page.hasNextPage) break;
    }
    expect(seen).toEqual(ids);
    const queued = await other.store.streams({ first: 10, statuses: ['QUEUED'] });
    expect(queued.items.map(({ id }) => id)).toEqual(['s7', 's5', 's3', 's1']);
    expect((await other.store.unfinishedStreams()).map(({ id }) => id)).toEqual(['s1', 's3', 's5', 's7']);
  });

  test('that are deleted leave nothing, neither rows nor bytes in the log, and other streams stay', async () => {
    await using own = await testStore();
    await own.store.createStream(streamRecord('gone', { name: 'a-name-to-look-for' }));
    await own.store.createStream(streamRecord('stays'));
    await own.store.appendFrames(Array.from({ length: 2500 }, (_, index) => frame('gone', index, [face(1), face(7)])));
    await own.store.appendFrames([frame('stays', 0)]);
    expect(await own.store.deleteStream('gone')).toEqual({ frames: 2500, faces: 5000, tracks: 2 });
    expect(await own.store.stream('gone')).toBeNull();
    expect(await own.store.progress('gone')).toMatchObject({ frames: 0, faces: 0, lastSequence: null });
    expect((await own.store.progress('stays')).frames).toBe(1);
    expect(statSync(`${own.path}-wal`).size).toBe(0);
    await expect(own.store.deleteStream('gone')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

test('images are listed newest first, page by page, those of a key alone where one is named', async () => {
  await using own = await testStore();
  const { store } = own;
  // Two of them at the same moment.
  for (const [id, second] of [
    ['a', 1],
    ['b', 2],
    ['c', 2],
    ['d', 3],
  ] as const) {
    await store.saveImage({
      id,
      ownerKeyId: id === 'b' ? 'key' : null,
      createdAt: new Date(1000 * second),
      name: null,
      width: 1,
      height: 1,
      faces: [],
      latencyMs: 1,
      analysis: null,
    });
  }
  const pages: string[][] = [];
  for (let after: ImagePosition | undefined, more = true; more; ) {
    const page = await store.images({ first: 3, ...(after === undefined ? {} : { after }) });
    pages.push(page.items.map(({ id }) => id));
    after = page.items.at(-1);
    more = page.hasNextPage;
  }
  expect(pages).toEqual([['d', 'c', 'b'], ['a']]);
  expect((await store.images({ first: 10, ownerKeyId: 'key' })).items.map(({ id }) => id)).toEqual(['b']);
  await expect(store.images({ first: 0 })).rejects.toMatchObject({ code: 'BAD_INPUT' });
});

test('images are kept, read and erased', async () => {
  await using own = await testStore();
  const { store } = own;
  const image = {
    id: randomUUID(),
    ownerKeyId: null,
    createdAt: new Date(),
    name: 'a-name-to-look-for.jpg',
    width: 10,
    height: 20,
    faces: [face(1), face(2)],
    latencyMs: 3,
    analysis: { ...ANALYSIS, smoothingSeconds: null, trackMissSeconds: null },
  };
  await store.saveImage(image);
  expect(await store.image(image.id)).toEqual(image);
  expect(await store.deleteImage(image.id)).toBe(true);
  expect(await store.deleteImage(image.id)).toBe(false);
  expect(await store.image(image.id)).toBeNull();
  // Neither the database nor its log has the bytes any more.
  for (const file of [own.path, `${own.path}-wal`]) {
    expect(readFileSync(file).includes('a-name-to-look-for'), file).toBe(false);
  }
});
