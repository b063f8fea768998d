import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LiveFacts, Retry } from '../../src/domain.ts';
import { frame, streamRecord, type TestStore, testStore } from './support.ts';

const SECRET = 'rtsp://operator:pa55word@camera.example/stream';
const LIVE: LiveFacts = {
  address: 'rtsp://camera.example/stream',
  delivery: 'LATEST',
  rtspTransport: 'UDP',
  maxWidthPixels: 640,
  smoothingSeconds: 0.5,
  trackMissSeconds: 2,
  reconnects: 0,
  retry: null,
};
const RETRY: Retry = {
  attempt: 3,
  nextTryAt: new Date('2026-05-04T12:00:00.000Z'),
  problem: { code: 'SOURCE_UNREACHABLE', message: 'It sent no frame for 5 s.' },
};

let opened: TestStore;
beforeAll(async () => {
  opened = await testStore();
});
afterAll(() => opened[Symbol.asyncDispose]());

function live(id: string) {
  return streamRecord(id, { kind: 'LIVE', status: 'CONNECTING', uploadId: null, live: LIVE });
}

describe('a live stream in the store', () => {
  test('comes back as it was written, through every state', async () => {
    const { store } = opened;
    const written = live('round-trip');
    expect(await store.createStream(written, SECRET)).toEqual(written);
    const waiting = { ...LIVE, retry: RETRY };
    const changed = await store.updateStream(written.id, { status: 'RECONNECTING', live: waiting });
    expect(changed).toEqual({ ...written, status: 'RECONNECTING', live: waiting, revision: 1 });
    expect(await store.stream(written.id)).toEqual(changed);
    const back = { ...LIVE, reconnects: 1 };
    expect(await store.updateStream(written.id, { status: 'RUNNING', live: back })).toMatchObject({
      live: back,
      revision: 2,
    });
  });

  test('counts one revision a change, however many come at once', async () => {
    const { store } = opened;
    await store.createStream(live('counted'));
    const changes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => store.updateStream('counted', { name: `name ${index}` })),
    );
    expect(changes.map(({ revision }) => revision)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  test.each(['CONNECTING', 'RUNNING', 'STALLED', 'RECONNECTING'] as const)(
    'is unfinished while it is %s',
    async (status) => {
      const { store } = opened;
      await store.createStream({ ...live(`unfinished ${status}`), status });
      expect((await store.unfinishedStreams()).map(({ id }) => id)).toContain(`unfinished ${status}`);
      await store.updateStream(`unfinished ${status}`, { status: 'STOPPED' });
      expect((await store.unfinishedStreams()).map(({ id }) => id)).not.toContain(`unfinished ${status}`);
    },
  );

  test('gives its secret address to who asks for that alone, and forgets it at its end', async () => {
    const { store, path } = opened;
    const created = await store.createStream(live('secret'), SECRET);
    const listed = await store.streams({ first: 100 });
    expect(JSON.stringify([created, listed, await store.stream('secret')])).not.toContain('pa55word');
    expect(await store.secretAddress('secret')).toBe(SECRET);
    await store.updateStream('secret', { status: 'RUNNING' });
    expect(await store.secretAddress('secret')).toBe(SECRET);

    for (const { id } of listed.items) await store.deleteStream(id);
    expect(await store.secretAddress('secret')).toBeNull();
    const files = await Promise.all([path, `${path}-wal`].map((file) => readFile(file).catch(() => Buffer.alloc(0))));
    expect(files.some((bytes) => bytes.includes('pa55word'))).toBe(false);
  });

  test.each(['COMPLETED', 'FAILED', 'STOPPED'] as const)('forgets its secret address once it is %s', async (status) => {
    const { store } = opened;
    await store.createStream(live(`ended ${status}`), SECRET);
    await store.updateStream(`ended ${status}`, { status });
    expect(await store.secretAddress(`ended ${status}`)).toBeNull();
    expect((await store.stream(`ended ${status}`))?.live?.address).toBe(LIVE.address);
  });

  test('counts the frames that were left out', async () => {
    const { store } = opened;
    await store.createStream(live('skipping'));
    const frames = [0, 3, 0, 7].map((skippedBefore, index) => ({ ...frame('skipping', index), skippedBefore }));
    await store.appendFrames(frames);
    expect(await store.progress('skipping')).toMatchObject({ frames: 4, skipped: 10 });
  });
});
