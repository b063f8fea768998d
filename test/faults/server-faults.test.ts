/** Faults of the server itself and of its machine, under a live stream that goes on. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { throughLocks } from '../../src/store/through-locks.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import { faultRounds, faultsOf, Observer, openStream, tracksOf } from './fixtures/observer.ts';
import { ServerProcess } from './fixtures/server-process.ts';
import { httpServer, motionJpeg, RtmpCamera, smallPhotograph } from './fixtures/sources.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ServerProcess;
let source: Awaited<ReturnType<typeof httpServer>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  const jpeg = await smallPhotograph();
  source = await httpServer((_, response) => void motionJpeg(response, jpeg, 10));
  server = await ServerProcess.start(folder.path, { RECONNECT_MAX_SECONDS: '0.5', RETENTION_DAYS: '1' });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function observed(url = `${source.url}/video`): Promise<Observer> {
  const observer = new Observer(server, await openStream(server, url));
  await observer.more(4);
  return observer;
}

/** What has become of it since it was connected; who comes late is not told that it was not yet. */
function changesOf({ names }: Observer): string[] {
  return names.filter((name, index) => index > 0 || name !== 'CONNECTING');
}

async function stop({ id }: Observer): Promise<void> {
  await server.query('mutation ($id: ID!) { stopStream(id: $id) { status } }', { id });
}

/** A lock of another program on the server's database, as a backup or a curious `sqlite3` takes one. */
async function lockDatabase(): Promise<AsyncDisposable> {
  const other = await openDatabase(`file:${join(folder.path, 'circumplex.db')}`);
  // The server may just be writing.
  await throughLocks(() => other.$executeRawUnsafe('BEGIN EXCLUSIVE'));
  return {
    async [Symbol.asyncDispose]() {
      await other.$executeRawUnsafe('ROLLBACK');
      await other.$disconnect();
    },
  };
}

async function warningsOf(id: string): Promise<unknown> {
  const { data } = await server.query('query ($id: ID!) { stream(id: $id) { warnings { code count } } }', { id });
  return data.stream.warnings;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a live stream', () => {
  const rounds = faultRounds(3);
  test(
    'goes on when a worker is ended in the middle of its work, with every frame scored; the restarts are counted',
    async () => {
      await using observer = await observed();
      const restarts = () => server.metric('circumplex_worker_restarts_total');
      const restartsBefore = await restarts();
      for (let round = 1; round <= rounds; round += 1) {
        expect(await server.do('endWorkers', null)).toBe(1);
        await expect.poll(restarts).toBe(restartsBefore + round);
        await observer.more(3);
      }
      expect(changesOf(observer)).toEqual(['RUNNING']);
      expect(faultsOf(observer.frames)).toEqual([]);
      expect(observer.frames.every(({ faces }) => faces.length > 0)).toBe(true);
      expect(await warningsOf(observer.id)).toEqual([]);
      await stop(observer);
    },
    180_000 + rounds * 60_000,
  );

  test('waits while another program has the database locked for some seconds, and loses no frame', async () => {
    // A source in a process of its own, whose frames have its own times: a busy test delays neither.
    await using camera = await RtmpCamera.start();
    await using observer = await observed(camera.url);
    const framesBefore = observer.frames.length;
    {
      await using _lock = await lockDatabase();
      // Those that were stored before may still be on their way.
      await pause(1000);
      const framesUnderLock = observer.frames.length;
      await pause(1000);
      // The server is not held by it: it answers, only not from the database.
      expect((await server.request('/healthz')).status).toBe(200);
      expect(observer.frames.length).toBe(framesUnderLock);
      expect((await server.request('/readyz')).status).toBe(503);
    }
    await observer.more(15);
    expect(changesOf(observer)).toEqual(['RUNNING']);
    expect(faultsOf(observer.frames)).toEqual([]);
    // What was captured during the lock is there too: nothing is missing but what was skipped, and is told so.
    const seen = observer.frames.slice(framesBefore - 1);
    for (const [index, { ptsSeconds, skippedBefore }] of seen.slice(1).entries()) {
      expect(ptsSeconds - seen[index]!.ptsSeconds).toBeLessThan(0.35 + skippedBefore * 0.2);
    }
    expect((await server.request('/readyz')).status).toBe(200);
    await stop(observer);
  });

  test.runIf(rounds > 3)('is read anew after a lock that lasts longer than anybody waits for it', async () => {
    await using observer = await observed();
    {
      await using _lock = await lockDatabase();
      await pause(8000);
      const { errors } = await server.query('{ streams { nodes { id } } }');
      expect(errors?.map(({ extensions }) => extensions.code) ?? []).toEqual([]);
    }
    await observer.more(4);
    expect(faultsOf(observer.frames)).toEqual([]);
    await stop(observer);
  });

  test('does not stall when the clock is set: its sequence and its time go on, `capturedAt` follows the clock', async () => {
    await using observer = await observed();
    const HOUR_MS = 3_600_000;
    const clockOf = ({ capturedAt, receivedAtMs }: { capturedAt: string; receivedAtMs: number }): number =>
      Math.round((Date.parse(capturedAt) - receivedAtMs) / HOUR_MS);
    for (const [jumpHours, clock] of [
      [1, 1],
      [-1, 0],
      [-1, -1],
    ] as const) {
      await server.do('shiftClock', { ms: jumpHours * HOUR_MS });
      await observer.until('a frame by the new clock', () => clockOf(observer.frames.at(-1)!) === clock);
      await observer.more(3);
    }
    expect(changesOf(observer)).toEqual(['RUNNING']);
    // A connection is placed by the clock, which says less than the stream's last frame: time goes on from there.
    source.cut();
    await observer.until('called again', () => observer.statuses.at(-1)?.connection?.reconnects === 1);
    await observer.more(3);
    await server.do('shiftClock', { ms: HOUR_MS });
    await observer.more(3);
    expect(faultsOf(observer.frames)).toEqual([]);
    expect(observer.frames.at(-1)!.ptsSeconds).toBeLessThan(120);
    expect(tracksOf(observer.frames).length).toBeGreaterThan(0);
    await stop(observer);
  });
});

test('retention erases nothing because the clock is an hour off, and what is due by the clock alone when it is days off', async () => {
  await using running = await observed();
  await using ended = await observed();
  await stop(ended);
  const isThere = async ({ id }: Observer): Promise<boolean> =>
    (await server.query('query ($id: ID!) { stream(id: $id) { id } }', { id })).data.stream !== null;
  const sweeps = (): Promise<number> => server.metric('circumplex_retention_last_sweep_timestamp_seconds');
  async function sweep(): Promise<void> {
    const before = await sweeps();
    expect(await server.do('doChores', null)).toBeGreaterThan(0);
    await expect.poll(sweeps).not.toBe(before);
  }
  for (const hours of [1, -2]) {
    await server.do('shiftClock', { ms: hours * 3_600_000 });
    await sweep();
    expect([await isThere(ended), await isThere(running)]).toEqual([true, true]);
  }
  await server.do('shiftClock', { ms: 27 * 3_600_000 });
  await sweep();
  expect([await isThere(ended), await isThere(running)]).toEqual([false, true]);
  await server.do('shiftClock', { ms: -26 * 3_600_000 });
  await running.more(2);
  await stop(running);
});
