import { expect, test } from 'vitest';
import type { FrameEstimate } from '../../src/domain.ts';
import { face, frame, streamRecord, testStore } from './support.ts';

const numbered = (count: number, from = 0): FrameEstimate[] =>
  Array.from({ length: count }, (_, index) => frame('s', from + index, [face(1), face(2)]));

async function storeWithStream() {
  const opened = await testStore();
  await opened.store.createStream(streamRecord('s'));
  return opened;
}

test('a frame that is stored is left as it is, and gets no faces of a second one with its number', async () => {
  await using opened = await storeWithStream();
  const { store } = opened;
  await store.appendFrames([frame('s', 0), frame('s', 1, [])]);
  const again = [frame('s', 0, [face(1, 1, 1), face(2)]), frame('s', 1), frame('s', 2), frame('s', 2, [face(3)])];
  await store.appendFrames(again);
  expect(await store.framesAfter('s', -1, 10)).toEqual([frame('s', 0), frame('s', 1, []), frame('s', 2)]);
});

test('all frames of a call are stored or none, and a value that is no number is an error, not a loss', async () => {
  await using opened = await storeWithStream();
  const { store } = opened;
  const broken = frame('s', 1, [face(1, Number.NaN)]);
  await expect(store.appendFrames([frame('s', 0), broken])).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(await store.progress('s')).toMatchObject({ frames: 0, faces: 0, lastSequence: null });
  await store.appendFrames([frame('s', 0)]);
  expect(await store.progress('s')).toMatchObject({ frames: 1, faces: 1, lastSequence: 0 });
});

test('of calls that share a write only those fail whose frames cannot be written', async () => {
  await using opened = await storeWithStream();
  const { store } = opened;
  const calls = [frame('s', 0), frame('gone', 0), frame('s', 1)].map((one) => store.appendFrames([one]));
  const ends = await Promise.allSettled(calls);
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect((await store.framesAfter('s', -1, 10)).map(({ sequence }) => sequence)).toEqual([0, 1]);
  expect(store.statistics()).toMatchObject({ framesWaiting: 0, framesWritten: 2, writesFailed: 2 });
});

test.each([
  ['in the same write', 1],
  ['in a later write', 700],
  ['that waits for room outside', 2500],
])('a call that fails takes with it the calls behind it for its stream, %s, and none for others', async (_, size) => {
  await using opened = await storeWithStream();
  const { store } = opened;
  await store.createStream(streamRecord('other'));
  const calls = [
    numbered(size),
    [frame('s', size, [face(1, Number.NaN)])],
    numbered(size, size + 1),
    [frame('other', 0)],
    numbered(size, 2 * size + 1),
  ];
  const ends = await Promise.allSettled(calls.map((frames) => store.appendFrames(frames)));
  expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled', 'rejected']);
  expect(await store.progress('s')).toMatchObject({ frames: size, lastSequence: size - 1 });
  expect(store.statistics().framesWaiting).toBe(0);
});

test('no more frames wait inside than the limit says, however many calls come at once', async () => {
  await using opened = await storeWithStream();
  const { store } = opened;
  let most = 0;
  const calls = Array.from({ length: 12 }, async (_, call) => {
    const written = store.appendFrames(numbered(700, call * 700));
    most = Math.max(most, store.statistics().framesWaiting);
    await written;
    most = Math.max(most, store.statistics().framesWaiting);
  });
  await Promise.all(calls);
  expect(most).toBeGreaterThan(700);
  expect(most).toBeLessThanOrEqual(4096);
  expect(store.statistics()).toMatchObject({ framesWaiting: 0, framesWritten: 8400 });
});

test('a reader never sees a part of a write, and a change beside a write that fails is kept', async () => {
  await using opened = await storeWithStream();
  const { store } = opened;
  const work: Promise<unknown>[] = [];
  const counts: number[] = [];
  for (let call = 0; call < 10; call++) {
    work.push(store.appendFrames(numbered(50, call * 50)));
    work.push(store.appendFrames([frame('gone', call)]).catch(() => undefined));
    work.push(store.updateStream('s', { name: `after ${call}` }));
    for (let read = 0; read < 5; read++) {
      work.push(
        store.framesAfter('s', -1, 1000).then((frames) => {
          counts.push(frames.length);
          for (const { faces } of frames) expect(faces).toHaveLength(2);
        }),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await Promise.all(work);
  for (const count of counts) expect(count % 50).toBe(0);
  expect((await store.stream('s'))?.name).toBe('after 9');
  expect((await store.progress('s')).frames).toBe(500);
});

test('a store that closes writes what it has accepted and refuses what comes later', async () => {
  await using opened = await storeWithStream();
  const { store } = opened;
  const accepted = store.appendFrames(numbered(100));
  const closed = store[Symbol.asyncDispose]();
  await accepted;
  await expect(store.appendFrames(numbered(1, 100))).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await closed;
});

test('frames that are written while their stream is erased leave nothing behind', async () => {
  await using opened = await storeWithStream();
  const { store } = opened;
  await store.appendFrames(numbered(1500));
  const late = Array.from({ length: 40 }, (_, index) => store.appendFrames([frame('s', 1500 + index)]));
  const counts = store.deleteStream('s');
  await Promise.allSettled(late);
  expect((await counts).frames).toBeGreaterThanOrEqual(1500);
  expect(await store.progress('s')).toMatchObject({ frames: 0, faces: 0 });
  await expect(store.appendFrames([frame('s', 0)])).rejects.toMatchObject({ code: 'STORE_FAILED' });
});
