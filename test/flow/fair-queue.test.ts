import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { FairQueue } from '../../src/flow/fair-queue.ts';

function queueOf(bounds: { maxItems?: number; maxItemsPerKey?: number; maxWaiters?: number } = {}): FairQueue<string> {
  return new FairQueue({ name: 'tests', maxItems: 100, maxItemsPerKey: 100, maxWaiters: 0, ...bounds });
}

function items(queue: FairQueue<string>, count: number): string[] {
  return queue.take(count).map((entry) => entry.item);
}

describe('order', () => {
  it('serves the keys in turn, and each key in its order', () => {
    const queue = queueOf();
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.offer(item.slice(0, 1), item);
    expect(items(queue, 10)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
  });

  it('remembers whose turn it is from one take to the next', () => {
    const queue = queueOf();
    for (const item of ['a1', 'a2', 'b1', 'b2']) queue.offer(item.slice(0, 1), item);
    expect([items(queue, 1), items(queue, 1), items(queue, 1)]).toEqual([['a1'], ['b1'], ['a2']]);
  });

  it('lets a newcomer be served after one item of a greedy key', () => {
    const queue = queueOf();
    for (let index = 0; index < 50; index += 1) queue.offer('greedy', `greedy${index}`);
    queue.offer('modest', 'modest');
    expect(items(queue, 2)).toContain('modest');
  });
});

describe('bounds', () => {
  it('refuses the item beyond the total, and beyond one key', async () => {
    const queue = queueOf({ maxItems: 3, maxItemsPerKey: 2 });
    expect(['a', 'a', 'a', 'b', 'b'].map((key) => queue.offer(key, key))).toEqual([true, true, false, true, false]);
    await expect(queue.put('c', 'c')).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(queue.statistics()).toEqual({ queued: 3, keys: 2, waiting: 0, refused: 1 });
  });

  it('lets a bounded number of callers wait for room, in their order', async () => {
    const queue = queueOf({ maxItems: 1, maxWaiters: 2 });
    queue.offer('a', 'a1');
    const waiting = [queue.put('a', 'a2'), queue.put('a', 'a3')];
    await expect(queue.put('a', 'a4')).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(queue.statistics()).toMatchObject({ queued: 1, waiting: 2, refused: 1 });
    expect(items(queue, 1)).toEqual(['a1']);
    await waiting[0];
    expect(items(queue, 1)).toEqual(['a2']);
    await waiting[1];
    expect(items(queue, 1)).toEqual(['a3']);
    expect(queue.statistics()).toMatchObject({ queued: 0, waiting: 0 });
  });

  it('gives room to the waiting keys in turn', async () => {
    const queue = queueOf({ maxItems: 2, maxWaiters: 9 });
    queue.offer('a', 'a1');
    queue.offer('a', 'a2');
    const entered: string[] = [];
    const waiting = ['a3', 'a4', 'a5', 'b1'].map(async (item) => {
      await queue.put(item.slice(0, 1), item);
      entered.push(item);
    });
    queue.take(2);
    await Promise.all([waiting[0], waiting[3]]);
    expect(entered.toSorted()).toEqual(['a3', 'b1']);
    queue.clear(new AppError('ABORTED', 'end'));
    await Promise.allSettled(waiting);
  });

  it('lets another key in while one key waits at its own bound', async () => {
    const queue = queueOf({ maxItems: 3, maxItemsPerKey: 1, maxWaiters: 9 });
    queue.offer('a', 'a1');
    const waiting = queue.put('a', 'a2');
    await queue.put('b', 'b1');
    expect(items(queue, 2)).toEqual(['a1', 'b1']);
    await waiting;
    expect(items(queue, 1)).toEqual(['a2']);
  });

  it('does not let an offer overtake those who wait', async () => {
    const queue = queueOf({ maxItemsPerKey: 1, maxWaiters: 9 });
    queue.offer('a', 'a1');
    const controller = new AbortController();
    const second = queue.put('a', 'a2', controller.signal);
    expect(queue.offer('a', 'a3')).toBe(false);
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'ABORTED' });
    expect(items(queue, 9)).toEqual(['a1']);
  });
});

describe('leaving', () => {
  it('takes out what is no longer wanted, and gives its room away', async () => {
    const queue = queueOf({ maxItems: 2, maxWaiters: 1 });
    queue.offer('a', 'old');
    queue.offer('b', 'kept');
    const waiting = queue.put('a', 'new');
    expect(queue.remove('a', (item) => item === 'old')).toBe(1);
    await waiting;
    expect(items(queue, 9).toSorted()).toEqual(['kept', 'new']);
  });

  it('forgets a waiting caller at once when its signal fires', async () => {
    const queue = queueOf({ maxItems: 1, maxWaiters: 1 });
    queue.offer('a', 'a1');
    const controller = new AbortController();
    const waiting = queue.put('b', 'b1', controller.signal);
    controller.abort();
    expect(queue.statistics().waiting).toBe(0);
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
    expect(items(queue, 9)).toEqual(['a1']);
    await expect(queue.put('b', 'b1', controller.signal)).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('is empty after a clear, which turns away those who wait', async () => {
    const queue = queueOf({ maxItems: 1, maxWaiters: 2 });
    queue.offer('a', 'a1');
    const waiting = [queue.put('a', 'a2'), queue.put('b', 'b1')];
    const end = new AppError('ABORTED', 'the end');
    expect(queue.clear(end)).toEqual(['a1']);
    for (const caller of waiting) await expect(caller).rejects.toBe(end);
    expect(queue.statistics()).toMatchObject({ queued: 0, keys: 0, waiting: 0 });
    expect(queue.oldestSinceMs).toBeNull();
  });
});

const step = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), key: fc.constantFrom('a', 'b', 'c', 'd'), stays: fc.boolean() }),
  fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant('remove' as const), key: fc.constantFrom('a', 'b', 'c', 'd') }),
  fc.record({ kind: fc.constant('leave' as const) }),
);

describe('any sequence of puts, takes, removals and leavings', () => {
  it('stays within its bounds, keeps the order of each key, and loses or doubles nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const queue = queueOf({ maxItems: 6, maxItemsPerKey: 3, maxWaiters: 4 });
        const controllers: AbortController[] = [];
        const outcomes: Promise<string | null>[] = [];
        const taken: string[] = [];
        const removed: string[] = [];
        let number = 0;
        for (const action of steps) {
          if (action.kind === 'put') {
            number += 1;
            const item = `${action.key}${String(number).padStart(3, '0')}`;
            const controller = new AbortController();
            if (!action.stays) controllers.push(controller);
            outcomes.push(
              queue.put(action.key, item, controller.signal).then(
                () => item,
                () => null,
              ),
            );
          } else if (action.kind === 'take') {
            taken.push(...items(queue, action.count));
          } else if (action.kind === 'remove') {
            const pick = (item: string): boolean => Number(item.slice(1)) % 2 === 0 && removed.push(item) > 0;
            queue.remove(action.key, pick);
          } else {
            controllers.pop()?.abort();
          }
          const { queued, waiting } = queue.statistics();
          expect(queued).toBeLessThanOrEqual(6);
          expect(waiting).toBeLessThanOrEqual(4);
        }
        while (queue.size > 0) taken.push(...items(queue, 4));
        const entered = (await Promise.all(outcomes)).filter((item) => item !== null);
        expect([...taken, ...removed].toSorted()).toEqual(entered.toSorted());
        for (const key of ['a', 'b', 'c', 'd']) {
          const ofKey = taken.filter((item) => item.startsWith(key));
          expect(ofKey).toEqual(ofKey.toSorted());
        }
        expect(queue.statistics()).toMatchObject({ queued: 0, keys: 0, waiting: 0 });
      }),
      { numRuns: 200 },
    );
  });
});
