import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { crop, keepBusy, makeTestModel, openPool, picture, SOON, type TestModel } from './fixtures/open-pool.ts';
import { ORDERS } from './fixtures/orders.ts';

/** What a start that was ended waits for its thread. */
const LOADS_MS = 5000;

let model: TestModel;
beforeAll(async () => {
  model = await makeTestModel();
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
});

function threads(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'MessagePort').length;
}

describe('closing', () => {
  it('lets work in flight finish, and turns away what waits', async () => {
    const pool = await openPool(model);
    const inFlight = await keepBusy(pool, model);
    const waits = [pool.findFaces('stream', picture(6)), pool.readFaces('stream', [crop(1)])];
    const settled = Promise.allSettled([inFlight.done, ...waits]);
    const closed = pool[Symbol.asyncDispose]();
    await inFlight.letGo();
    await closed;
    const [first, ...others] = await settled;
    expect(first!.status).toBe('fulfilled');
    for (const other of others) expect(other).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED' } });
  });

  it('does not wait for a worker that hangs', async () => {
    const pool = await openPool(model, { closeTimeoutMs: 100 });
    const hanging = pool.findFaces('stream', picture(5, ORDERS.hang));
    hanging.catch(() => undefined);
    await vi.waitFor(() => expect(pool.statistics().workersBusy).toBe(1), SOON);
    await pool[Symbol.asyncDispose]();
    await expect(hanging).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('twice is the same as once', async () => {
    const pool = await openPool(model);
    const first = pool[Symbol.asyncDispose]();
    expect(pool[Symbol.asyncDispose]()).toBe(first);
    await first;
    await pool[Symbol.asyncDispose]();
  });

  it('refuses later calls', async () => {
    const pool = await openPool(model);
    await pool[Symbol.asyncDispose]();
    await expect(pool.findFaces('stream', picture(1))).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(pool.readFaces('stream', [crop(1)])).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('ends calls that wait for room in the queue', async () => {
    const pool = await openPool(model, { maxReadsQueued: 2 });
    const call = pool.readFaces('stream', [crop(1, ORDERS.dawdle), ...Array.from({ length: 9 }, () => crop(2))]);
    const settled = Promise.allSettled([call]);
    await pool[Symbol.asyncDispose]();
    expect((await settled)[0]).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED' } });
  });

  it('while a dead worker is being replaced ends that as well', async () => {
    const before = threads();
    const pool = await openPool(model);
    const call = pool.readFaces('stream', [crop(1, ORDERS.die)]);
    call.catch(() => undefined);
    await vi.waitFor(() => expect(pool.statistics().retries).toBe(1), SOON);
    await pool[Symbol.asyncDispose]();
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    await vi.waitFor(() => expect(threads()).toBe(before), SOON);
  });

  it('before the start has finished is what its signal does', async () => {
    const before = threads();
    const controller = new AbortController();
    const starting = openPool(model, { workers: 2, signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    await expect(starting).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(openPool(model, { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    await vi.waitFor(() => expect(threads()).toBe(before), SOON);
  });

  it('at any moment of the start leaves the process unharmed', async () => {
    for (let afterMs = 0; afterMs <= 400; afterMs += 40) {
      const before = threads();
      const controller = new AbortController();
      const beganAtMs = performance.now();
      const starting = openPool(model, { workers: 2, signal: controller.signal });
      const timer = setTimeout(() => controller.abort(), afterMs);
      await starting.then(
        (pool) => pool[Symbol.asyncDispose](),
        (thrown) => expect(thrown).toMatchObject({ code: 'ABORTED' }),
      );
      clearTimeout(timer);
      // A start that was ended waits for its thread, but not for longer than a busy machine may need to load it.
      if (performance.now() - beganAtMs < LOADS_MS) expect(threads()).toBe(before);
      else await vi.waitFor(() => expect(threads()).toBe(before), SOON);
    }
  });
});
