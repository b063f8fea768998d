import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { FrameSums } from '../../src/store/frame-sums.ts';
import { face, frame, streamRecord, type TestStore, testStore } from './support.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await testStore();
});
afterAll(() => opened[Symbol.asyncDispose]());

/** Frame k has k % 3 faces, the last ones with the highest numbers, and follows k % 5 that were left out. */
function frames(id: string, from: number, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const sequence = from + index;
    const faces = Array.from({ length: sequence % 3 }, (__, number) => face(1 + number + Math.floor(sequence / 10)));
    return { ...frame(id, sequence, faces), skippedBefore: sequence % 5 };
  });
}

function counted(given: ReturnType<typeof frames>) {
  const last = given.at(-1);
  const trackNumbers = given.flatMap(({ faces }) => faces.map(({ trackNumber }) => trackNumber));
  return {
    frames: given.length,
    faces: trackNumbers.length,
    skipped: given.reduce((sum, { skippedBefore }) => sum + skippedBefore, 0),
    lastSequence: last?.sequence ?? null,
    lastPtsSeconds: last?.ptsSeconds ?? null,
    nextTrackNumber: Math.max(0, ...trackNumbers) + 1,
  };
}

describe('progress', () => {
  test('is what is stored, whenever it is asked for', async () => {
    const { store } = opened;
    await store.createStream(streamRecord('growing'));
    expect(await store.progress('growing')).toEqual(counted([]));
    let done = 0;
    for (const count of [1, 1, 30, 500, 7]) {
      await store.appendFrames(frames('growing', done, count));
      done += count;
      expect(await store.progress('growing')).toEqual(counted(frames('growing', 0, done)));
      expect(await store.progress('growing')).toEqual(counted(frames('growing', 0, done)));
    }
  });

  test('of a stream whose erasure was interrupted counts what is left', async () => {
    const { store } = opened;
    const whole = frames('half', 0, 4000);
    await store.createStream(streamRecord('half'));
    await store.appendFrames(whole);
    expect(await store.progress('half')).toEqual(counted(whole));
    const ending = new AbortController();
    const erasure = store.deleteStream('half', ending.signal);
    while ((await store.progress('half')).frames === whole.length);
    ending.abort();
    await expect(erasure).rejects.toMatchObject({ code: 'ABORTED' });
    const left = await store.progress('half');
    expect(left.frames).toBeGreaterThan(0);
    expect(left.frames).toBeLessThan(whole.length);
    expect(left).toEqual(counted(whole.slice(whole.length - left.frames)));
  });

  test('of a stream that was erased is not that of the one before', async () => {
    const { store } = opened;
    for (const count of [20, 30]) {
      await store.createStream(streamRecord('twice'));
      await store.appendFrames(frames('twice', 30 - count, count));
      expect(await store.progress('twice')).toEqual(counted(frames('twice', 30 - count, count)));
      await store.deleteStream('twice');
    }
    // With the same first frame, and longer.
    for (const count of [5, 9]) {
      const given = frames('twice', 0, count).map((one) => ({ ...one, faces: count === 5 ? [] : one.faces }));
      await store.createStream(streamRecord('twice'));
      await store.appendFrames(given);
      expect(await store.progress('twice')).toEqual(counted(given));
      await store.deleteStream('twice');
    }
  });
});

describe('the sums of frames', () => {
  function countingSums() {
    const asked: unknown[] = [];
    const database = {
      $queryRaw: async ({ values }: { readonly values: readonly unknown[] }) => {
        asked.push(values[0]);
        return [{ faces: 2, skipped: 1 }];
      },
    };
    return { asked, sums: new FrameSums(database as unknown as Database) };
  }

  test('are read once, and then those of the frames that came since', async () => {
    const { asked, sums } = countingSums();
    const of = (lastSequence: number) => sums.of('s', { firstSequence: 0, lastSequence });
    expect(await of(5)).toEqual({ faces: 2, skipped: 1 });
    expect(await of(5)).toEqual({ faces: 2, skipped: 1 });
    expect(asked).toHaveLength(1);
    expect(await of(6)).toEqual({ faces: 4, skipped: 2 });
    expect(asked).toHaveLength(2);
  });

  test('are kept of the thousand streams that were asked for last', async () => {
    const { asked, sums } = countingSums();
    const of = (id: string) => sums.of(id, { firstSequence: 0, lastSequence: 0 });
    for (let index = 0; index < 1000; index++) await of(`s${index}`);
    await of('s0');
    await of('one more');
    expect(asked).toHaveLength(1001);
    await of('s0');
    expect(asked).toHaveLength(1001);
    await of('s1');
    expect(asked).toHaveLength(1002);
  });
});
