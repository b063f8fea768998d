import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { writeTinyModel } from '../model/fixtures/tiny-model.ts';
import { crop, makeTestModel, openPool, picture, redOf, SOON, type TestModel } from './fixtures/open-pool.ts';
import { ORDERS } from './fixtures/orders.ts';

let model: TestModel;
beforeAll(async () => {
  model = await makeTestModel();
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
});

describe('a worker that dies', () => {
  it('is replaced, and its batch is read by another one', async () => {
    const troubles: Error[] = [];
    await using pool = await openPool(model, { onTrouble: (error) => troubles.push(error) });
    await writeFile(join(model.folder, 'alive'), '');
    const readings = await pool.readFaces('stream', [crop(40), crop(80, ORDERS.dieOnce)]);
    expect(readings).toHaveLength(2);
    expect(redOf(readings[0]!)).toBe(40);
    expect(pool.statistics()).toMatchObject({ retries: 1, restarts: 1, failures: 0, workersUp: 1 });
    expect(troubles.map((trouble) => trouble.message)).toEqual(['A worker thread ended (exit code 4).']);
  });

  it('is missing in the figures until another one serves in its place', async () => {
    await using pool = await openPool(model, { restartDelayMs: 200 });
    const up = () => [pool.statistics().find.workersUp, pool.statistics().read.workersUp];
    expect(up()).toEqual([1, 1]);
    await writeFile(join(model.folder, 'alive'), '');
    const call = pool.findFaces('stream', picture(1, ORDERS.dieOnce));
    await vi.waitFor(() => expect(up()).toEqual([0, 0]), SOON);
    await call;
    expect(up()).toEqual([1, 1]);
  });

  it('has its picture searched again from the same pixels', async () => {
    await using pool = await openPool(model);
    await writeFile(join(model.folder, 'alive'), '');
    const [found] = await pool.findFaces('stream', picture(123, ORDERS.dieOnce));
    expect(found!.crop[0]).toBe(123);
  });

  it('twice over one batch fails that batch alone', async () => {
    await using pool = await openPool(model, { workers: 2 });
    const poison = pool.readFaces('bad stream', [crop(1, ORDERS.die)]);
    await expect(poison).rejects.toMatchObject({ code: 'WORKER_FAILED', message: expect.stringContaining('twice') });
    expect(redOf((await pool.readFaces('good stream', [crop(70)]))[0]!)).toBe(70);
    expect(pool.statistics()).toMatchObject({ retries: 1, failures: 1 });
  });

  it('twice over one stream, and others in its batch get their readings', async () => {
    await using pool = await openPool(model, { workers: 2 });
    const poison = pool.readFaces('bad stream', [crop(1, ORDERS.die)]);
    const good = pool.readFaces('good stream', [crop(70), crop(90)]);
    await expect(poison).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    expect((await good).map(redOf)).toEqual([70, 90]);
    expect(pool.statistics()).toMatchObject({ retries: 2, failures: 1 });
  });

  it('by an uncaught error counts as dead', async () => {
    const troubles: Error[] = [];
    await using pool = await openPool(model, { onTrouble: (error) => troubles.push(error) });
    const call = pool.findFaces('stream', picture(1, ORDERS.throwUncaught));
    await expect(call).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    expect(troubles[0]!.message).toContain('a fault outside of any promise');
  });

  it('by hanging is ended after the time of a job', async () => {
    // Long enough that an ordinary picture, which comes after, is done by then on a busy machine.
    await using pool = await openPool(model, { jobTimeoutMs: 1500 });
    await expect(pool.findFaces('stream', picture(1, ORDERS.hang))).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    await expect(pool.findFaces('stream', picture(2))).resolves.toHaveLength(1);
  });

  it('does not bring its caller back when the caller has left meanwhile', async () => {
    await using pool = await openPool(model);
    const controller = new AbortController();
    const left = pool.readFaces('stream', [crop(1, ORDERS.die)], controller.signal);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    controller.abort();
    await expect(left).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(pool.readFaces('stream', [crop(2)])).resolves.toHaveLength(1);
    expect(pool.statistics()).toMatchObject({ failures: 0, restarts: 1 });
  });
});

describe('a job that fails without harm to its worker', () => {
  it('fails for its caller, and the worker goes on, also after numbers that are not finite', async () => {
    await using pool = await openPool(model);
    await expect(pool.findFaces('stream', picture(1, ORDERS.fail))).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    await expect(pool.findFaces('stream', picture(2))).resolves.toHaveLength(1);
    const white = new Uint8Array(crop(0).length).fill(255);
    await expect(pool.readFaces('stream', [white])).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    await expect(pool.readFaces('stream', [crop(2)])).resolves.toHaveLength(1);
    expect(pool.statistics()).toMatchObject({ failures: 2, retries: 0, restarts: 0 });
  });
});

test('numbers that are not finite cost the stream that they belong to alone', async () => {
  await using pool = await openPool(model);
  const white = new Uint8Array(crop(0).length).fill(255);
  const bad = pool.readFaces('bad stream', [white]);
  const good = pool.readFaces('good stream', [crop(70)]);
  await expect(bad).rejects.toMatchObject({ code: 'WORKER_FAILED' });
  expect(redOf((await good)[0]!)).toBe(70);
  expect(pool.statistics()).toMatchObject({ failures: 1, restarts: 0 });
});

describe('a start that cannot succeed', () => {
  it('says why, and leaves nothing running', async () => {
    await using damaged = await makeTestModel();
    await writeTinyModel(damaged.folder, { card: { sha256: '0'.repeat(64) } });
    await expect(openPool(damaged, { workers: 2 })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('checksum'),
    });
  });

  it('of a replacement turns waiting callers away, and is tried again', async () => {
    await using moved = await makeTestModel();
    await using pool = await openPool(moved);
    await rm(join(moved.folder, 'card.json'));
    await expect(pool.readFaces('stream', [crop(1, ORDERS.die)])).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    expect(pool.statistics().workersUp).toBe(0);
    await writeTinyModel(moved.folder);
    await vi.waitFor(async () => expect(await pool.readFaces('stream', [crop(2)])).toHaveLength(1), SOON);
  });
});
