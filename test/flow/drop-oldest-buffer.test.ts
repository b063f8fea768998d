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

  test('pours what comes in the same turn, and what came before at once', async () => {
    const buffer = new DropOldestBuffer<number>(2);
    for (const value of [1, 2, 3]) buffer.push(value);
    const got: unknown[] = [];
    const poured = buffer.pour(({ value, droppedBefore }) => {
      got.push([value, droppedBefore]);
      return undefined;
    });
    buffer.push(4);
    expect(got).toEqual([
      [2, 1],
      [3, 0],
      [4, 0],
    ]);
    buffer.close();
    await poured;
  });

  test('keeps and drops while whom it pours to is busy, and ends when that has taken the last', async () => {
    const buffer = new DropOldestBuffer<number>(2);
    const got: unknown[] = [];
    const ready: (() => void)[] = [];
    const poured = buffer.pour((taken) => {
      got.push(taken);
      return new Promise((resolve) => ready.push(resolve));
    });
    for (const value of [1, 2, 3, 4]) buffer.push(value);
    buffer.close();
    expect(got).toEqual([{ value: 1, droppedBefore: 0 }]);
    while (got.length < 3) {
      ready.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(got.slice(1)).toEqual([
      { value: 3, droppedBefore: 1 },
      { value: 4, droppedBefore: 0 },
    ]);
    ready.shift()?.();
    await poured;
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no more');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no more'))],
  ])('stops pouring to one who %s, and whoever pushes does not notice', async (_, receive) => {
    const buffer = new DropOldestBuffer<number>(2);
    let calls = 0;
    const poured = buffer.pour(() => {
      calls += 1;
      return receive();
    });
    buffer.push(1);
    await expect(poured).rejects.toThrow('no more');
    buffer.push(2);
    expect(calls).toBe(1);
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
