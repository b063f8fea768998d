import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { ImageAnalysis, StreamRecord } from '../../src/domain.ts';
import { AppError } from '../../src/errors.ts';
import { type RetentionOptions, startRetention } from '../../src/pipeline/retention.ts';
import type { Store } from '../../src/store/index.ts';
import { face, frame, streamRecord, testStore } from '../store/support.ts';
import { ended, makeVideo, openPipeline, submit, temporaryFolder } from './support.ts';

interface Sqlite {
  prepare(sql: string): { all(): unknown[] };
  exec(sql: string): void;
  close(): void;
}
const Database = createRequire(import.meta.url)('better-sqlite3') as new (path: string) => Sqlite;
const DAY_MS = 24 * 60 * 60 * 1000;
const silent = pino({ level: 'silent' });

function daysAgo(days: number): Date {
  return new Date(Date.now() - days * DAY_MS);
}

function endedStream(id: string, daysOld: number, change: Partial<StreamRecord> = {}): StreamRecord {
  return streamRecord(id, { status: 'COMPLETED', endedAt: daysAgo(daysOld), createdAt: daysAgo(daysOld), ...change });
}

function image(id: string, daysOld: number, name: string | null = null): ImageAnalysis {
  return {
    id,
    ownerKeyId: null,
    createdAt: daysAgo(daysOld),
    name,
    width: 8,
    height: 8,
    faces: [face(1)],
    latencyMs: 1,
    analysis: null,
  };
}

/** One whole sweep over a store, and its log. */
async function sweep(store: RetentionOptions['store'], retentionDays: number) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug', base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  await using retention = startRetention({ store, log, retentionDays });
  await retention.sweep();
  return { ...retention.statistics(), lines };
}

async function kept(store: Store): Promise<string[]> {
  return (await store.streams({ first: 1000 })).items.map(({ id }) => id).sort();
}

/** Every byte of the database: the file, its log, whatever lies beside it. */
async function bytesOf(path: string): Promise<Buffer> {
  const folder = dirname(path);
  return Buffer.concat(await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name)))));
}

describe('the limit for all', () => {
  test('erases what ended before it, with everything of it, and leaves the rest', async () => {
    await using own = await testStore();
    const { store } = own;
    for (const status of ['COMPLETED', 'FAILED', 'STOPPED'] as const) {
      await store.createStream(endedStream(`old ${status}`, 8, { status }));
      await store.createStream(endedStream(`young ${status}`, 6, { status }));
    }
    await store.appendFrames(Array.from({ length: 2500 }, (_, index) => frame('old COMPLETED', index)));
    await store.appendFrames([frame('young COMPLETED', 0)]);
    for (const [id, daysOld] of [
      ['old', 8],
      ['young', 6],
    ] as const)
      await store.saveImage(image(id, daysOld));

    expect(await sweep(store, 7)).toMatchObject({ streams: 3, frames: 2500, images: 1, failures: 0 });
    expect(await kept(store)).toEqual(['young COMPLETED', 'young FAILED', 'young STOPPED']);
    expect((await store.progress('old COMPLETED')).frames).toBe(0);
    expect((await store.progress('young COMPLETED')).frames).toBe(1);
    expect([await store.image('old'), (await store.image('young'))?.id]).toEqual([null, 'young']);
    expect(await sweep(store, 7)).toMatchObject({ streams: 0, images: 0, failures: 0 });
  });

  test('does not touch what waits or runs, however old, nor one that is taken up again', async () => {
    await using own = await testStore();
    for (const status of ['QUEUED', 'RUNNING'] as const) {
      await own.store.createStream(streamRecord(status, { status, createdAt: daysAgo(900), startedAt: daysAgo(900) }));
      await own.store.createStream(endedStream(`${status} again`, 900, { status }));
    }
    expect(await sweep(own.store, 1)).toMatchObject({ streams: 0, failures: 0 });
    expect(await kept(own.store)).toHaveLength(4);
  });

  test('of 0 keeps everything', async () => {
    await using own = await testStore();
    await own.store.createStream(endedStream('ancient', 20_000));
    await own.store.saveImage(image('ancient', 20_000));
    expect(await sweep(own.store, 0)).toMatchObject({ streams: 0, images: 0 });
    expect(await kept(own.store)).toEqual(['ancient']);
    expect(await own.store.image('ancient')).not.toBeNull();
  });

  test('goes through more than one look finds', async () => {
    await using own = await testStore();
    for (let index = 0; index < 230; index++) await own.store.createStream(endedStream(`s${index}`, 3));
    for (let index = 0; index < 900; index++) await own.store.saveImage(image(`i${index}`, 3));
    expect(await sweep(own.store, 2)).toMatchObject({ streams: 230, images: 900 });
    expect(await kept(own.store)).toEqual([]);
  });
});

describe('a limit of its own', () => {
  test.each([
    // [days since the end, own limit, limit for all, erased]
    [3, 2, 0, true],
    [3, 4, 0, false],
    [3, 2, 100, true],
    [3, 100, 2, true],
    [3, 100, 4, false],
    [3, null, 0, false],
    [0.2, 0.1, 0, true],
  ])('%d days after the end, with a limit of %s and %d for all: erased is %s', async (daysOld, own, forAll, erased) => {
    await using opened = await testStore();
    await opened.store.createStream(endedStream('s', daysOld, { retentionDays: own }));
    expect((await sweep(opened.store, forAll)).streams).toBe(erased ? 1 : 0);
    expect(await kept(opened.store)).toEqual(erased ? [] : ['s']);
  });
});

describe('erasure', () => {
  test('leaves no byte of names, labels, faults and estimates in the files', async () => {
    await using own = await testStore();
    const marker = 'a-name-that-nobody-else-has';
    const marked = (text: string): Partial<StreamRecord> => ({
      name: text,
      labels: [text],
      error: { code: 'INTERNAL', message: text },
      warnings: [{ code: 'MEDIA_DAMAGED', message: text, count: 1 }],
    });
    await own.store.createStream(endedStream('old', 9, marked(marker)));
    // Written again and again, so that older versions of the row lie in the log.
    for (let round = 0; round < 20; round++) await own.store.updateStream('old', { labels: [`${marker} ${round}`] });
    const odd = { ...face(1), landmarks: { ...face(1).landmarks, noseTip: { x: 0.123454321, y: 0.5 } } };
    await own.store.appendFrames(Array.from({ length: 1500 }, (_, index) => frame('old', index, [odd])));
    for (let index = 0; index < 50; index++) await own.store.saveImage(image(`image ${index}`, 9, `${marker}.jpg`));
    await own.store.createStream(endedStream('young', 1, marked('another-name')));
    for (const text of [marker, '0.123454321', 'another-name'])
      expect((await bytesOf(own.path)).includes(text)).toBe(true);

    expect(await sweep(own.store, 7)).toMatchObject({ streams: 1, frames: 1500, images: 50 });
    const after = await bytesOf(own.path);
    expect([marker, '0.123454321'].filter((text) => after.includes(text))).toEqual([]);
    expect(after.includes('another-name')).toBe(true);
  });

  test('that another program keeps out of the log waits for nobody, and is done by the next sweep', async () => {
    await using own = await testStore();
    for (let index = 0; index < 30; index++)
      await own.store.createStream(endedStream(`s${index}`, 9, { name: 'the-name' }));
    const reader = new Database(own.path);
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM Stream').all();
    const beganAtMs = performance.now();
    expect((await sweep(own.store, 7)).lines).toContainEqual(expect.objectContaining({ level: 40 }));
    // SQLite's own wait would be 5 s for each stream, on the thread that serves everybody.
    expect(performance.now() - beganAtMs).toBeLessThan(30_000);
    expect((await bytesOf(own.path)).includes('the-name')).toBe(true);
    reader.exec('COMMIT');
    reader.close();
    expect((await sweep(own.store, 7)).lines).toEqual([]);
    expect((await bytesOf(own.path)).includes('the-name')).toBe(false);
  });

  test('of one picture by a client leaves nothing in the files either', async () => {
    await using own = await testStore();
    await own.store.saveImage(image('x', 0, 'a-picture-to-look-for.jpg'));
    expect((await bytesOf(own.path)).includes('a-picture-to-look-for')).toBe(true);
    await own.store.deleteImage('x');
    expect((await bytesOf(own.path)).includes('a-picture-to-look-for')).toBe(false);
  });

  test('is logged with its counts, and each stream by its id alone', async () => {
    await using own = await testStore();
    await own.store.createStream(endedStream('the-id', 9, { name: 'the-name' }));
    await own.store.saveImage(image('x', 9, 'the-picture'));
    const { lines } = await sweep(own.store, 7);
    expect(lines).toMatchObject([{ streamId: 'the-id' }, { streams: 1, images: 1 }]);
    expect(JSON.stringify(lines)).not.toMatch(/the-name|the-picture/);
  });
});

describe('a sweep', () => {
  test('comes by itself, at the start and again', async () => {
    await using own = await testStore();
    await own.store.createStream(endedStream('first', 9));
    await using _ = startRetention({ store: own.store, log: silent, retentionDays: 7, intervalMs: 20 });
    while ((await kept(own.store)).length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await own.store.createStream(endedStream('later', 9));
    while ((await kept(own.store)).length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });

  test('that another one meets is waited for, not repeated', async () => {
    await using own = await testStore();
    for (let index = 0; index < 20; index++) await own.store.createStream(endedStream(`s${index}`, 9));
    let looks = 0;
    const store = counting(own.store, () => {
      looks += 1;
    });
    await using retention = startRetention({ store, log: silent, retentionDays: 7 });
    await Promise.all([retention.sweep(), retention.sweep(), retention.sweep()]);
    expect(looks).toBe(1);
    expect(retention.statistics().streams).toBe(20);
  });

  test('goes on over a stream that a client erased meanwhile', async () => {
    await using own = await testStore();
    for (const id of ['s1', 's2', 's3']) await own.store.createStream(endedStream(id, 9));
    const store = Object.assign(Object.create(own.store) as Store, {
      async expiredStreams(...asked: Parameters<Store['expiredStreams']>) {
        const due = await own.store.expiredStreams(...asked);
        if (due.includes('s2')) await own.store.deleteStream('s2');
        return due;
      },
    });
    expect(await sweep(store, 7)).toMatchObject({ streams: 2, failures: 0 });
    expect(await kept(own.store)).toEqual([]);
  });

  test('that fails is counted and logged, and the next one does its work', async () => {
    await using own = await testStore();
    await own.store.createStream(endedStream('s', 9));
    let broken = true;
    const store = counting(own.store, () => {
      if (broken) throw new AppError('STORE_FAILED', 'The disk is full.');
    });
    await using retention = startRetention({ store, log: silent, retentionDays: 7 });
    await retention.sweep();
    expect(retention.statistics()).toMatchObject({ streams: 0, failures: 1, sweptAt: null });
    broken = false;
    await retention.sweep();
    expect(retention.statistics()).toMatchObject({ streams: 1, failures: 1, sweptAt: expect.any(Date) });
  });

  test('ends between two steps when its owner does, and the next start finishes the work', async () => {
    await using own = await testStore();
    await own.store.createStream(endedStream('large', 9));
    await own.store.appendFrames(Array.from({ length: 6000 }, (_, index) => frame('large', index)));
    const retention = startRetention({ store: own.store, log: silent, retentionDays: 7 });
    // Its first step has begun when this read gets its turn.
    while ((await own.store.progress('large')).frames === 6000);
    await retention[Symbol.asyncDispose]();
    await retention[Symbol.asyncDispose]();
    const { frames } = await own.store.progress('large');
    expect(frames).toBeGreaterThan(0);
    expect(retention.statistics()).toMatchObject({ streams: 0, failures: 0 });
    await retention.sweep();
    expect((await own.store.progress('large')).frames).toBe(frames);
    expect(await sweep(own.store, 7)).toMatchObject({ streams: 1, frames });
  });

  function counting(store: Store, look: () => void): Store {
    return Object.assign(Object.create(store) as Store, {
      async expiredStreams(...asked: Parameters<Store['expiredStreams']>) {
        look();
        return store.expiredStreams(...asked);
      },
    });
  }
});

test('a server with a limit erases at its start what was due while it was off', async () => {
  await using folder = await temporaryFolder();
  const dataDir = join(folder.path, 'data');
  const video = await makeVideo(join(folder.path, 'video.mp4'), { frames: 10 });
  const before = await openPipeline(dataDir);
  const [old, young] = [await submit(before.pipeline, video), await submit(before.pipeline, video)];
  for (const { id } of [old, young]) await ended(before.pipeline, id);
  await before.store.updateStream(old.id, { endedAt: daysAgo(3) });
  await before[Symbol.asyncDispose]();

  await using after = await openPipeline(dataDir, { RETENTION_DAYS: '2.5' });
  while (after.pipeline.statistics().retention.sweptAt === null) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(after.pipeline.statistics().retention).toMatchObject({ streams: 1, frames: 10 });
  expect(await kept(after.store)).toEqual([young.id]);
});
