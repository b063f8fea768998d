import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Turns } from '../../src/store/turns.ts';
import { face, frame, streamRecord, type TestStore, testStore } from './support.ts';

const FRAMES = 6000;
let opened: TestStore;
beforeAll(async () => {
  opened = await testStore();
  for (const id of ['read', 'erased', 'left']) {
    await opened.store.createStream(streamRecord(id, { status: 'COMPLETED', endedAt: new Date() }));
    await opened.store.appendFrames(Array.from({ length: FRAMES }, (_, sequence) => frame(id, sequence, [face(1)])));
  }
});
afterAll(() => opened[Symbol.asyncDispose]());

/** Runs work and tells how many timers of 1 ms fired before it was done. */
async function timersDuring(work: Promise<unknown>): Promise<number> {
  let fired = 0;
  const timer = setInterval(() => (fired += 1), 1);
  await work.finally(() => clearInterval(timer));
  return fired;
}

describe('work on the database', () => {
  test('lets timers and sockets in while one reader asks for page after page', async () => {
    async function readAll(): Promise<number> {
      let read = 0;
      for (let after = -1; after < FRAMES - 1; read += 1) {
        after = (await opened.store.framesAfter('read', after, 100)).at(-1)!.sequence;
      }
      return read;
    }
    const pages = readAll();
    expect(await timersDuring(pages)).toBeGreaterThan(3);
    expect(await pages).toBe(FRAMES / 100);
  });

  test('lets them in while a stream is erased', async () => {
    const erased = opened.store.deleteStream('erased');
    expect(await timersDuring(erased)).toBeGreaterThan(3);
    expect((await erased).frames).toBe(FRAMES);
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
