import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Turns } from '../../src/store/turns.ts';
import { face, frame, streamRecord, type TestStore, testStore } from './support.ts';

const FRAMES = 6000;
/** No step of an erasure takes more frames than these. */
const ERASED_AT_ONCE = 1000;
let opened: TestStore;
beforeAll(async () => {
  opened = await testStore();
  for (const id of ['erased', 'left']) {
    await opened.store.createStream(streamRecord(id, { status: 'COMPLETED', endedAt: new Date() }));
  }
  await opened.store.appendFrames(
    Array.from({ length: FRAMES }, (_, sequence) => frame('erased', sequence, [face(1)])),
  );
});
afterAll(() => opened[Symbol.asyncDispose]());

describe('work on the database', () => {
  test('lets other readers in while a stream is erased', async () => {
    let erasing = true;
    const erased = opened.store.deleteStream('erased').finally(() => (erasing = false));
    let answers = 0;
    for (; erasing; answers += 1) await opened.store.stream('left');
    expect((await erased).frames).toBe(FRAMES);
    expect(answers).toBeGreaterThanOrEqual(FRAMES / ERASED_AT_ONCE);
  });

  test('that goes on in steps ends when the store is closed, and what is left can be erased later', async () => {
    const other = await testStore();
    await other.store.createStream(streamRecord('one', { status: 'COMPLETED', endedAt: new Date() }));
    await other.store.appendFrames(Array.from({ length: FRAMES }, (_, sequence) => frame('one', sequence)));
    const erasing = other.store.deleteStream('one').catch((thrown: unknown) => thrown);
    await other.store.stream('one');
    await other.store[Symbol.asyncDispose]();
    expect(await erasing).toMatchObject({ code: 'ABORTED' });
    await expect(other.store.stream('one')).rejects.toMatchObject({ code: 'ABORTED' });
    await other[Symbol.asyncDispose]();
  });
});

test('a timer, a socket or a worker gets its turn while one reader asks for piece after piece', async () => {
  const turns = new Turns();
  const [pieces, pieceMs] = [20, 10];
  let loops = 0;
  let reading = true;
  (function loop() {
    setImmediate(() => {
      loops += 1;
      if (reading) loop();
    });
  })();
  for (let piece = 0; piece < pieces; piece += 1) {
    // As SQLite works: on this thread, and with an answer that needs no event loop.
    await turns.run(async () => {
      for (const beganAtMs = performance.now(); performance.now() - beganAtMs < pieceMs; );
    });
  }
  reading = false;
  expect(loops).toBeGreaterThanOrEqual(pieces - 1);
});

test('turns come in the order of asking, also after one that fails', async () => {
  const turns = new Turns();
  const order: number[] = [];
  const asked = [1, 2, 3].map((number) =>
    turns.run(async () => {
      await new Promise((resolve) => setTimeout(resolve, 10 - 3 * number));
      order.push(number);
      if (number === 2) throw new Error('two');
    }),
  );
  expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(order).toEqual([1, 2, 3]);
});
