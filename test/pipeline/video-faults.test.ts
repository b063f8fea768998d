/** Videos over a database that fails on demand; the file, ffmpeg and SQLite are real. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { probeMedia } from '../../src/ingest/index.ts';
import { OpenJobs } from '../../src/pipeline/open-jobs.ts';
import { VideoJobs } from '../../src/pipeline/video-jobs.ts';
import { createHub } from '../../src/publish/index.ts';
import type { Store } from '../../src/store/index.ts';
import { streamRecord, type TestStore, testStore } from '../store/support.ts';
import { allFrames, makeVideo, temporaryFolder, testConfig } from './support.ts';

const FRAMES = 30;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let opened: TestStore;
let video: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  opened = await testStore();
  video = await makeVideo(join(folder.path, 'short.mp4'), { frames: FRAMES });
});
afterAll(async () => {
  await opened[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const full = (): Promise<never> => Promise.reject(new AppError('STORE_FAILED', 'The disk is full.'));

/** Queues the video over a store of which some methods are others. */
async function submit(fakes: Partial<Store>, findFaces: () => Promise<[]> = async () => []) {
  const store = Object.assign(Object.create(opened.store) as Store, fakes);
  const hub = createHub({
    bufferFrames: 16,
    replay: (id, after, limit) => opened.store.framesAfter(id, after, limit),
    streamNow: (id) => opened.store.stream(id),
  });
  const removed: string[] = [];
  const parts = {
    config: testConfig(folder.path, { SHUTDOWN_SECONDS: '1' }),
    store,
    hub,
    uploads: {
      pathOf: async () => video,
      remove: async (id: string) => removed.push(id) > 0,
    },
    log: pino({ level: 'silent' }),
  };
  const open = new OpenJobs(parts);
  const vision = { facts: { newTrackScore: 0.5 }, findFaces, readFaces: async () => [] };
  const jobs = new VideoJobs({ ...parts, open, vision });
  const id = randomUUID();
  const media = await probeMedia(video);
  const stored = opened.store.createStream(
    streamRecord(id, { status: 'QUEUED', sampling: { kind: 'EVERY_FRAME' }, media, uploadId: 'the-upload' }),
  );
  const done = jobs.add(id, stored);
  return { id, done, open, hub, removed, stream: () => opened.store.stream(id) };
}

test('a video goes on after its last stored frame when the database takes frames again', async () => {
  let failures = 0;
  const { id, done, removed, stream } = await submit({
    appendFrames(frames) {
      if (failures < 2 && frames.some(({ sequence }) => sequence === 12)) {
        failures += 1;
        return full();
      }
      return opened.store.appendFrames(frames);
    },
  });
  await done;
  expect(failures).toBe(2);
  expect(await stream()).toMatchObject({ status: 'COMPLETED', error: null, warnings: [], uploadId: null });
  const frames = await allFrames(opened.store, id);
  expect(frames.map(({ sequence }) => sequence)).toEqual([...Array(FRAMES).keys()]);
  expect(removed).toEqual(['the-upload']);
});

test('what is complete is COMPLETED, and its subscribers end, once the database takes that', async () => {
  let failures = 0;
  const { id, done, hub, removed, stream } = await submit({
    updateStream(streamId, change) {
      if (failures < 2 && change.status === 'COMPLETED') {
        failures += 1;
        expect(removed).toEqual([]);
        return full();
      }
      return opened.store.updateStream(streamId, change);
    },
  });
  const statuses: string[] = [];
  for await (const { status } of hub.statuses(id)) statuses.push(status);
  await done;
  expect(failures).toBe(2);
  expect(statuses.at(-1)).toBe('COMPLETED');
  expect(await stream()).toMatchObject({ status: 'COMPLETED', error: null, uploadId: null });
  expect(await allFrames(opened.store, id)).toHaveLength(FRAMES);
});

test('a shutdown does not wait for a database that takes no end, and the upload stays for the next start', async () => {
  let tell!: () => void;
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const { open, done, removed, stream } = await submit({
    updateStream(streamId, change) {
      if (change.status !== 'COMPLETED') return opened.store.updateStream(streamId, change);
      tell();
      return full();
    },
  });
  await told;
  await open[Symbol.asyncDispose]();
  await done;
  expect(await stream()).toMatchObject({ status: 'RUNNING', uploadId: 'the-upload' });
  expect(removed).toEqual([]);
});

test('a fault that does not pass, and that may be its own, fails a video after a few tries', async () => {
  let tries = 0;
  const { done, stream } = await submit({}, () => {
    tries += 1;
    return Promise.reject(new AppError('INTERNAL', 'Nobody knows why.'));
  });
  await done;
  expect(await stream()).toMatchObject({ status: 'FAILED', error: { code: 'INTERNAL' }, uploadId: null });
  expect(tries).toBeGreaterThanOrEqual(4);
});
