import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import type { PoolStatistics, VisionPool } from '../../src/batches/index.ts';
import { crop, keepBusy, makeTestModel, openPool, picture, redOf, SOON, type TestModel } from './fixtures/open-pool.ts';
import { ORDERS } from './fixtures/orders.ts';

let model: TestModel;
/** One worker, batches of 4. */
let pool: VisionPool;
/** The same with two workers. */
let pair: VisionPool;
beforeAll(async () => {
  model = await makeTestModel();
  [pool, pair] = await Promise.all([openPool(model), openPool(model, { workers: 2 })]);
});
afterAll(async () => {
  await Promise.all([pool, pair].map((each) => each[Symbol.asyncDispose]()));
  await model[Symbol.asyncDispose]();
});

/** What `work` added to the pool's counters. */
async function countsOf(of: VisionPool, work: () => Promise<unknown>): Promise<Omit<PoolStatistics, 'find' | 'read'>> {
  const before = of.statistics();
  await work();
  const { find: _find, read: _read, ...after } = of.statistics();
  return {
    ...after,
    picturesSearched: after.picturesSearched - before.picturesSearched,
    facesRead: after.facesRead - before.facesRead,
    batchSizes: after.batchSizes.map((count, index) => count - before.batchSizes[index]!),
    dropped: after.dropped - before.dropped,
  };
}

test('waits and work are measured, one value for each picture and crop and for each job', async () => {
  await using own = await openPool(model);
  const crops = Array.from({ length: 10 }, (_, index) => crop(index));
  await Promise.all([own.findFaces('a', picture(1)), own.findFaces('b', picture(2)), own.readFaces('a', crops)]);
  const { find, read, batchSizes } = own.statistics();
  const count = ({ counts }: { readonly counts: readonly number[] }) => counts.reduce((sum, one) => sum + one, 0);
  const jobs = batchSizes.reduce((sum, one) => sum + one, 0);
  expect([find.waitMs, find.workMs, read.waitMs, read.workMs].map(count)).toEqual([2, 2, 10, jobs]);
  for (const { sum } of [find.workMs, read.workMs]) expect(sum).toBeGreaterThan(0);
});

describe('results', () => {
  it('finds the faces of each picture and reads them, each caller its own', async () => {
    const reds = Array.from({ length: 40 }, (_, index) => index * 6);
    const read = reds.map(async (red) => {
      const key = `stream ${red % 5}`;
      const [found] = await pair.findFaces(key, picture(red));
      const [reading] = await pair.readFaces(key, [found!.crop]);
      return redOf(reading!);
    });
    expect(await Promise.all(read)).toEqual(reds);
    expect(pair.statistics()).toMatchObject({ failures: 0, restarts: 0 });
  });

  it('gives the readings in the order of the crops, over several batches', async () => {
    const reds = Array.from({ length: 30 }, (_, index) => 240 - index * 8);
    const readings = await pair.readFaces(
      'stream',
      reds.map((red) => crop(red)),
    );
    expect(readings.map(redOf)).toEqual(reds);
  });

  it('answers a call without crops at once', async () => {
    const counts = await countsOf(pool, async () => expect(await pool.readFaces('stream', [])).toEqual([]));
    expect(counts.facesRead).toBe(0);
  });

  it('searches pictures of growing sizes', async () => {
    for (const side of [16, 400, 1200]) {
      const rgb = new Uint8Array(side * side * 3).fill(side % 199);
      const [found] = await pool.findFaces('stream', { width: side, height: side, rgb });
      expect(found!.crop[0]).toBe(side % 199);
      expect(rgb).toHaveLength(side * side * 3);
    }
  });

  it('says what it runs', () => {
    const expected = { workers: 2, maxBatch: 4, modelName: 'tiny', modelVersion: '1.2.3', provider: 'cpu' };
    expect(pair.facts).toMatchObject(expected);
    expect(pair.statistics().workersUp).toBe(2);
  });
});

describe('batches', () => {
  it('form across keys', async () => {
    const { batchSizes } = await countsOf(pool, () =>
      Promise.all([10, 20, 30, 40].map((red) => pool.readFaces(`stream ${red}`, [crop(red)]))),
    );
    expect(batchSizes).toEqual([0, 0, 0, 1]);
  });

  it('grow while the workers are busy', async () => {
    const { batchSizes } = await countsOf(pool, async () => {
      const busy = await keepBusy(pool, model);
      const calls: Promise<unknown>[] = [busy.done];
      for (let red = 0; red < 8; red += 1) {
        calls.push(pool.readFaces(`stream ${red}`, [crop(red)]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await busy.letGo();
      await Promise.all(calls);
    });
    expect(batchSizes).toEqual([0, 0, 0, 2]);
  });

  it('never exceed their limit', async () => {
    await using pool = await openPool(model, { maxBatch: 3 });
    await pool.readFaces(
      'stream',
      Array.from({ length: 10 }, (_, red) => crop(red)),
    );
    expect(pool.statistics().batchSizes).toEqual([1, 0, 3]);
  });

  it('give a modest key its place beside a greedy one', async () => {
    const order: string[] = [];
    const greedy = Array.from({ length: 20 }, (_, index) =>
      pool.readFaces('greedy', [crop(index, index === 0 ? ORDERS.dawdle : 0)]).then(() => order.push('greedy')),
    );
    const modest = pool.readFaces('modest', [crop(99)]).then(() => order.push('modest'));
    await Promise.all([...greedy, modest]);
    expect(order.indexOf('modest')).toBeLessThan(4);
  });

  it('do not keep pictures waiting for ever when a caller reads without a pause', async () => {
    const reading = { stopped: false };
    const loops = Array.from({ length: 8 }, async (_, index) => {
      while (!reading.stopped) await pool.readFaces(`reader ${index}`, [crop(1), crop(2), crop(3)]);
    });
    await expect(pool.findFaces('picture', picture(7))).resolves.toHaveLength(1);
    reading.stopped = true;
    await Promise.all(loops);
  });
});

describe('bounds', () => {
  const tight = {
    maxReadsQueued: 4,
    maxReadsQueuedPerKey: 2,
    maxFindsQueued: 2,
    maxFindsQueuedPerKey: 1,
    maxWaiters: 1,
  };

  it('lets a call with more crops than the queue holds wait for room', async () => {
    await using pool = await openPool(model, tight);
    const reds = Array.from({ length: 25 }, (_, red) => red * 5);
    const readings = await pool.readFaces(
      'stream',
      reds.map((red) => crop(red)),
    );
    expect(readings.map(redOf)).toEqual(reds);
  });

  it('refuses the call beyond queue and waiting room, counts it, and serves the others', async () => {
    await using pool = await openPool(model, tight);
    const calls = await Promise.allSettled(
      Array.from({ length: 5 }, (_, red) => pool.findFaces('stream', picture(red, ORDERS.dawdle))),
    );
    const refused = calls.filter((call) => call.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'OVERLOADED' });
    const statistics = pool.statistics();
    expect(statistics.find.refused).toBe(refused.length);
    expect(statistics.picturesSearched).toBe(5 - refused.length);
    await expect(pool.findFaces('stream', picture(1))).resolves.toHaveLength(1);
  });
});

describe('leaving', () => {
  it('takes what waits out of the queue at once', async () => {
    const before = pool.statistics();
    const busy = await keepBusy(pool, model);
    const controller = new AbortController();
    const left = pool.readFaces('stream', [crop(1), crop(2)], controller.signal);
    const leftToo = pool.findFaces('stream', picture(2), controller.signal);
    const stays = pool.readFaces('stream', [crop(3)]);
    expect(pool.statistics()).toMatchObject({ find: { queued: 1 }, read: { queued: 3 } });
    controller.abort();
    expect(pool.statistics()).toMatchObject({ find: { queued: 0 }, read: { queued: 1 } });
    await expect(left).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(leftToo).rejects.toMatchObject({ code: 'ABORTED' });
    await busy.letGo();
    expect(redOf((await stays)[0]!)).toBe(3);
    await busy.done;
    expect(pool.statistics()).toMatchObject({
      facesRead: before.facesRead + 1,
      picturesSearched: before.picturesSearched + 1,
      dropped: before.dropped,
    });
  });

  it('leaves nothing of a call behind that was still waiting for room', async () => {
    await using own = await openPool(model, { maxReadsQueuedPerKey: 4 });
    const busy = await keepBusy(own, model);
    const controller = new AbortController();
    const crops = Array.from({ length: 12 }, (_, red) => crop(red));
    const left = own.readFaces('stream', crops, controller.signal);
    await vi.waitFor(() => expect(own.statistics().read).toMatchObject({ queued: 4, waiting: 1 }), SOON);
    controller.abort();
    await expect(left).rejects.toMatchObject({ code: 'ABORTED' });
    await busy.letGo();
    await busy.done;
    expect(own.statistics()).toMatchObject({ read: { queued: 0, waiting: 0 }, facesRead: 0 });
    expect(own.statistics().batchSizes).toEqual([0, 0, 0, 0]);
  });

  it('drops the result of what is in flight, and keeps the worker', async () => {
    const counts = await countsOf(pool, async () => {
      const controller = new AbortController();
      const left = await keepBusy(pool, model, controller.signal);
      controller.abort();
      await expect(left.done).rejects.toMatchObject({ code: 'ABORTED' });
      await left.letGo();
      await expect(pool.findFaces('stream', picture(2))).resolves.toHaveLength(1);
    });
    expect(counts).toMatchObject({ dropped: 1, restarts: 0 });
  });

  it('does not begin a call whose signal has fired already', async () => {
    const counts = await countsOf(pool, async () => {
      const call = pool.readFaces('stream', [crop(1)], AbortSignal.abort());
      await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    });
    expect(counts.facesRead).toBe(0);
    expect(pool.statistics().read.queued).toBe(0);
  });

  it('leaves no listener behind on the signal of a long stream', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    for (let red = 0; red < 20; red += 1) await pool.readFaces('stream', [crop(red)], signal);
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
  });
});
