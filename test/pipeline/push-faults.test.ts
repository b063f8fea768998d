/** Pushed streams over databases that fail on demand; SQLite is real, and no picture has a face. */
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { Places } from '../../src/flow/index.ts';
import { OpenJobs } from '../../src/pipeline/open-jobs.ts';
import { PushSession } from '../../src/pipeline/push-session.ts';
import { PushStreams } from '../../src/pipeline/push-streams.ts';
import { createHub } from '../../src/publish/index.ts';
import type { Store } from '../../src/store/index.ts';
import { type TestStore, testStore } from '../store/support.ts';
import { allFrames, testConfig } from './support.ts';

let opened: TestStore;
let jpeg: Uint8Array;
beforeAll(async () => {
  opened = await testStore();
  jpeg = await sharp({ create: { width: 32, height: 32, channels: 3, background: 'grey' } })
    .jpeg()
    .toBuffer();
});
afterAll(() => opened[Symbol.asyncDispose]());
afterEach(() => vi.useRealTimers());

function openStreams(fakes: Partial<Store>) {
  const store = Object.assign(Object.create(opened.store) as Store, fakes);
  const config = testConfig(opened.path);
  const hub = createHub({
    bufferFrames: 16,
    replay: (id, after, limit) => opened.store.framesAfter(id, after, limit),
    streamNow: (id) => opened.store.stream(id),
  });
  const log = pino({ level: 'silent' });
  const open = new OpenJobs({ config, store, hub, uploads: { remove: async () => true }, log });
  const places = new Places(10, () => new Error('full'));
  const vision = { facts: { newTrackScore: 0.5 }, findFaces: async () => [], readFaces: async () => [] };
  return { open, streams: new PushStreams({ config, store, hub, open, vision, places, log }) };
}

it('a picture that could not be stored is taken when it comes again with the same time', async () => {
  let failures = 0;
  const { open, streams } = openStreams({
    appendFrames(frames) {
      if (frames.some(({ sequence }) => sequence === 1) && failures < 1) {
        failures += 1;
        return Promise.reject(new AppError('STORE_FAILED', 'The disk is full.'));
      }
      return opened.store.appendFrames(frames);
    },
  });
  await using _open = open;
  const { id } = await streams.open({ name: 'a browser' });
  const picture = (ms: number) => ({ bytes: jpeg, capturedAt: new Date(1_700_000_000_000 + ms) });
  await streams.push(id, picture(0));
  await expect(streams.push(id, picture(1000))).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(await streams.push(id, picture(1000))).toMatchObject({ sequence: 1 });
  const [first, second] = await allFrames(opened.store, id);
  expect(second!.ptsSeconds - first!.ptsSeconds).toBeCloseTo(1, 6);
});

it('a session that ends while a picture is being decoded leaves no timer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const session = new PushSession(testConfig(opened.path), {
    openedAt: new Date(),
    maxWidthPixels: null,
    stop: new AbortController().signal,
  });
  const pushed = session.push({ bytes: jpeg });
  // Its turn comes before the next turn of the event loop, its pixels later.
  await new Promise((resolve) => setImmediate(resolve));
  session.end();
  await expect(pushed).rejects.toMatchObject({ code: 'ABORTED' });
  expect(vi.getTimerCount()).toBe(0);
});
