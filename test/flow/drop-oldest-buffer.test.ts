import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DropOldestBuffer } from '../../src/flow/index.ts';

describe('a drop-oldest buffer', () => {
  test('gives what was put in order, and counts what it had to drop just before the next one', async () => {
    const buffer = new DropOldestBuffer<number>(2);
    for (const value of [1, 2, 3, 4]) buffer.push(value);
    expect(await buffer.take()).toEqual({ value: 3, droppedBefore: 2 });
    expect(await buffer.take()).toEqual({ value: 4, droppedBefore: 0 });
    expect(buffer.droppedInAll).toBe(2);
  });

  test('keeps whoever takes waiting until something comes', async () => {
    const buffer = new DropOldestBuffer<string>(1);
    const taken = buffer.take();
    buffer.push('late');
    expect(await taken).toEqual({ value: 'late', droppedBefore: 0 });
  });

  test('can be emptied after it was closed, and then ends', async () => {
    const buffer = new DropOldestBuffer<number>(3);
    buffer.push(1);
    buffer.close();
    buffer.push(2);
    expect((await buffer.take())?.value).toBe(1);
    expect(await buffer.take()).toBeNull();
    expect(await buffer.take()).toBeNull();
  });

  test('lets a waiting taker go when it is closed or its signal fires', async () => {
    const buffer = new DropOldestBuffer<number>(1);
    const leaving = new AbortController();
    const left = buffer.take(leaving.signal);
    leaving.abort();
    expect(await left).toBeNull();
    const waiting = buffer.take();
    buffer.close();
    expect(await waiting).toBeNull();
  });

  test('loses nothing without counting it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.boolean(), { maxLength: 60 }),
        async (capacity, steps) => {
          const buffer = new DropOldestBuffer<number>(capacity);
          let pushed = 0;
          let expected = 0;
          for (const push of [...steps]) {
            if (push) buffer.push(pushed++);
            else if (expected < pushed) {
              const taken = await buffer.take();
              if (taken === null) break;
              expected += taken.droppedBefore;
              expect(taken.value).toBe(expected);
              expected += 1;
            }
          }
          buffer.close();
          for (let taken = await buffer.take(); taken !== null; taken = await buffer.take()) {
            expected += taken.droppedBefore;
            expect(taken.value).toBe(expected++);
          }
          expect(expected).toBe(pushed);
        },
      ),
    );
  });
});
