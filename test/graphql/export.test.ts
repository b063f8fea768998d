import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FrameEstimate } from '../../src/domain.ts';
import { ClosingStack } from '../../src/flow/index.ts';
import { startServer } from '../../src/graphql/index.ts';
import { COLUMNS } from '../../src/rows/index.ts';
import type { Store } from '../../src/store/index.ts';
import { makeVideo, openPipeline, temporaryFolder, testConfig } from '../pipeline/support.ts';
import { face, frame, streamRecord } from '../store/support.ts';
import { openServer } from '../support/server.ts';

/** Some 18 MB of rows in 80 pages, more than the buffers of a connection hold. */
const FRAMES = 8000;
const FACES = 12;
const UNKNOWN = '00000000-0000-4000-8000-000000000000';

interface LargeServer extends AsyncDisposable {
  readonly store: Store;
  /** Pages that exports have read. */
  readonly pages: () => number;
  exportUrl(query?: string, id?: string): URL;
  stop(): Promise<void>;
  failReads(): void;
  /** Reads wait until the returned function is called. */
  holdReads(): () => void;
}

/** A server over a stream that is already stored, whose reading can be watched and broken. */
async function openLarge(frames = FRAMES): Promise<LargeServer> {
  const parts = new ClosingStack();
  const folder = parts.own(await temporaryFolder());
  const { pipeline, store, keyring } = parts.own(await openPipeline(folder.path));
  await store.createStream(streamRecord('large', { status: 'COMPLETED', name: 'large' }));
  const faces = Array.from({ length: FACES }, (_, index) => face(index + 1));
  const all: FrameEstimate[] = Array.from({ length: frames }, (_, index) => frame('large', index, faces));
  for (let at = 0; at < frames; at += 500) await store.appendFrames(all.slice(at, at + 500));
  await store.createStream(streamRecord('small', { status: 'COMPLETED', name: 'small' }));
  await store.appendFrames([frame('small', 0), frame('small', 1, [])]);
  let pages = 0;
  let broken = false;
  let held = Promise.resolve();
  const watched = Object.assign(Object.create(store) as Store, {
    async framesAfter(...asked: Parameters<Store['framesAfter']>) {
      if (broken) throw new Error('the disk is gone');
      pages += 1;
      await held;
      return store.framesAfter(...asked);
    },
  });
  const config = testConfig(folder.path, { PORT: '0' });
  const server = parts.own(
    await startServer({ config, pipeline, store: watched, keyring, log: pino({ level: 'silent' }) }),
  );
  return {
    store,
    pages: () => pages,
    exportUrl: (query = '', id = 'large') => new URL(`/streams/${id}/export${query}`, server.url),
    async stop() {
      await server[Symbol.asyncDispose]();
    },
    failReads() {
      broken = true;
    },
    holdReads() {
      let letRead = (): void => undefined;
      held = new Promise((resolve) => {
        letRead = resolve;
      });
      return letRead;
    },
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
}

/** A reader that takes nothing until it is told to. */
async function stalledReader(url: URL): Promise<IncomingMessage> {
  const asked = request(url, { agent: false }).end();
  asked.on('error', () => undefined);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.on('error', () => undefined);
  return answer;
}

/** Resolves once a figure has stayed the same for many looks: one look says nothing after a moment without any work. */
async function settled(figure: () => number): Promise<number> {
  let seen = -1;
  for (let steady = 0; steady < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 40));
    steady = figure() === seen ? steady + 1 : 0;
    seen = figure();
  }
  return seen;
}

describe('GET /streams/ID/export', () => {
  let large: LargeServer;
  beforeAll(async () => {
    large = await openLarge();
  });
  afterAll(() => large[Symbol.asyncDispose]());

  test('has every row, as a file of the asked format', async () => {
    const csv = await fetch(large.exportUrl());
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(csv.headers.get('content-disposition')).toBe('attachment; filename="large.csv"');
    const lines = (await csv.text()).trimEnd().split('\n');
    expect(lines[0]).toBe(COLUMNS.join(','));
    expect(lines).toHaveLength(1 + FRAMES * FACES);
    expect(lines.at(-1)).toMatch(new RegExp(`^large,${FRAMES - 1},`));

    const jsonl = await fetch(large.exportUrl('?format=jsonl', 'small'));
    expect(jsonl.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    const rows = (await jsonl.text()).trimEnd().split('\n');
    expect(rows.map((row) => JSON.parse(row))).toMatchObject([
      { file: 'small', sequence: 0, track_id: 1 },
      { file: 'small', sequence: 1, track_id: null },
    ]);
  });

  test.each([
    ['', UNKNOWN, 404, 'NOT_FOUND'],
    ['', 'a%20b', 404, 'NOT_FOUND'],
    ['', '%zz', 404, 'NOT_FOUND'],
    ['', '..%2f..%2fetc', 404, 'NOT_FOUND'],
    ['/more', 'large', 404, 'NOT_FOUND'],
    ['?format=xml', 'large', 400, 'BAD_INPUT'],
    ['?format=', 'large', 400, 'BAD_INPUT'],
    ['?format=csv%00', 'large', 400, 'BAD_INPUT'],
  ])('%s of %s is answered with %d %s', async (query, id, status, code) => {
    const answer = await fetch(large.exportUrl(query, id));
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: { code, retryable: false } });
  });

  test('is only read, and for this machine', async () => {
    const head = await fetch(large.exportUrl(), { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      200,
      'text/csv; charset=utf-8; header=present',
      '',
    ]);
    const post = await fetch(large.exportUrl(), { method: 'POST' });
    expect([post.status, post.headers.get('allow')]).toEqual([400, 'GET, HEAD']);
    const foreign = request(large.exportUrl(), { headers: { host: 'rebound.example' } }).end();
    const [answer] = (await once(foreign, 'response')) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(400);
  });

  test('waits for a reader that takes nothing, and is gone when the reader is', async () => {
    const before = large.pages();
    const reader = await stalledReader(large.exportUrl());
    const readAhead = (await settled(large.pages)) - before;
    // 80 pages in all; loopback's buffers take some megabytes.
    expect(readAhead).toBeLessThan(60);
    expect(await running(large)).toBe(1);
    reader.destroy();
    while ((await running(large)) > 0);
    expect((await settled(large.pages)) - before).toBeLessThanOrEqual(readAhead + 1);
  });

  test('is gone with a reader who leaves before the first row', async () => {
    const letRead = large.holdReads();
    const asked = request(large.exportUrl(), { agent: false }).end();
    asked.on('error', () => undefined);
    while ((await running(large)) !== 1);
    await new Promise((resolve) => asked.once('close', resolve).destroy());
    // The server has heard of it by the time it answers another request.
    await running(large);
    letRead();
    while ((await running(large)) > 0);
  });

  test('is refused beyond eight at once, and taken again when one has ended', async () => {
    const letRead = large.holdReads();
    const readers = Array.from({ length: 8 }, () => request(large.exportUrl(), { agent: false }).end());
    for (const reader of readers) reader.on('error', () => undefined);
    while ((await running(large)) !== 8);
    const refused = await fetch(large.exportUrl());
    expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: 'OVERLOADED' } }]);
    for (const reader of readers) reader.destroy();
    letRead();
    while ((await running(large)) > 0);
    expect((await fetch(large.exportUrl('', 'small'))).status).toBe(200);
  });
});

async function running(large: LargeServer): Promise<number> {
  const text = await (await fetch(new URL('/metrics', large.exportUrl()))).text();
  return Number(/^circumplex_exports_running (\d+)$/m.exec(text)?.[1]);
}

describe('an export that cannot be completed', () => {
  test('is cut off, so that nobody takes a part for the whole', async () => {
    await using large = await openLarge();
    const erased = await stalledReader(large.exportUrl());
    await settled(large.pages);
    await large.store.deleteStream('large');
    await expect(wholeOf(erased)).rejects.toThrow('aborted');
    expect((await fetch(large.exportUrl())).status).toBe(404);
  });

  test('is a typed error where nothing has been sent', async () => {
    await using large = await openLarge(10);
    large.failReads();
    const answer = await fetch(large.exportUrl());
    expect(answer.status).toBe(500);
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(await answer.json()).toMatchObject({ error: { code: 'INTERNAL' } });
  });

  test('does not hold up the stop of the server', async () => {
    await using large = await openLarge();
    const reader = await stalledReader(large.exportUrl());
    await settled(large.pages);
    const beganAtMs = performance.now();
    await large.stop();
    expect(performance.now() - beganAtMs).toBeLessThan(30_000);
    await expect(wholeOf(reader)).rejects.toThrow('aborted');
  });

  async function wholeOf(reader: IncomingMessage): Promise<void> {
    for await (const _ of reader);
  }
});

test('the export of a scored video has its frames, under the name of the stream', async () => {
  await using server = await openServer();
  await using folder = await temporaryFolder();
  const id = await server.submitVideo(await makeVideo(join(folder.path, 'video.mp4'), { frames: 20 }));
  const client = server.client();
  const query = `subscription { streamStatus(streamId: "${id}") { status } }`;
  for await (const _ of client.iterate({ query }));
  const lines = (await (await fetch(new URL(`/streams/${id}/export`, server.url))).text()).trimEnd().split('\n');
  const { data } = await server.query(`{ stream(id: "${id}") { progress { framesDone facesFound } } }`);
  expect(data.stream.progress.framesDone).toBe(20);
  expect(lines.length - 1).toBeGreaterThanOrEqual(data.stream.progress.facesFound);
  expect(new Set(lines.slice(1).map((line) => line.split(',')[1])).size).toBe(20);
  for (const line of lines.slice(1)) expect(line.startsWith('video.mp4,')).toBe(true);
  await client.dispose();
});
