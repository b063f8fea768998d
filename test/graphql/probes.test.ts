import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failingParts, type Readiness } from '../../src/graphql/probes.ts';
import { makeVideo, openPipeline, photograph, temporaryFolder } from '../pipeline/support.ts';
import { parseMetrics, sampleOf } from '../support/prometheus.ts';
import { openServer, type TestServer } from '../support/server.ts';

interface Sqlite {
  exec(sql: string): void;
  close(): void;
}
const Database = createRequire(import.meta.url)('better-sqlite3') as new (path: string) => Sqlite;
const PROBES = ['/healthz', '/readyz', '/metrics'];

let server: TestServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  server = await openServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function at(path: string): URL {
  return new URL(path, server.url);
}

async function metrics() {
  return parseMetrics(await (await fetch(at('/metrics'))).text());
}

/** Status of a request with headers that `fetch` would not send. */
function statusOf(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(at(path), { headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .once('error', reject)
      .end();
  });
}

describe('the probes', () => {
  test('say that the server lives and can work', async () => {
    const health = await fetch(at('/healthz'));
    expect([health.status, await health.json()]).toEqual([200, { alive: true }]);
    const ready = await fetch(at('/readyz'));
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, failing: [] }]);
    expect(ready.headers.get('cache-control')).toBe('no-store');
  });

  test.each(PROBES)('%s is only read', async (path) => {
    const head = await fetch(at(path), { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const refused = await fetch(at(path), { method });
      expect(refused.status).toBe(400);
      expect(refused.headers.get('allow')).toBe('GET, HEAD');
      expect(await refused.json()).toMatchObject({ error: { code: 'BAD_INPUT' } });
    }
  });

  test.each(PROBES)('%s is for this machine and no page of another site', async (path) => {
    expect(await statusOf(path, { host: 'rebound.example' })).toBe(400);
    expect(await statusOf(path, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' })).toBe(400);
    expect(await statusOf(path, {})).toBe(200);
  });

  test('take a query behind their path, and nothing else under it', async () => {
    expect((await fetch(at('/healthz?verbose=1'))).status).toBe(200);
    for (const path of ['/healthz/', '/metrics/x', '/constructor', '/toString']) {
      expect((await fetch(at(path))).status).toBe(404);
    }
  });
});

describe('the metrics of a server', () => {
  test('count each operation by its kind and each error once, whatever carries them', async () => {
    const before = await metrics();
    const grown = async (name: string, labels: Record<string, string>): Promise<number> =>
      sampleOf(await metrics(), name, labels)! - sampleOf(before, name, labels)!;

    await server.query('{ engine { name } }');
    await server.query('mutation { deleteImage(id: "x") }');
    await server.query('mutation { stopStream(id: "x") { id } }');
    for (const query of ['{ nothing }', '{ nothing }', '{ engine {', '{ engine {']) await server.query(query);
    await server.query(`{ ${Array.from({ length: 40 }, (_, index) => `a${index}: engine { name }`).join(' ')} }`);
    await fetch(server.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' });
    await fetch(at('/elsewhere'));
    const client = server.client();
    // An operation that is refused as a whole is thrown.
    for (const query of ['{ engine { name } }', 'mutation { stopStream(id: "x") { id } }', '{ nothing }']) {
      await client
        .iterate({ query })
        .next()
        .catch(() => null);
    }
    const open = client.iterate({ query: 'subscription { streamStatus { id } }' });
    const next = open.next();
    while (sampleOf(await metrics(), 'circumplex_subscribers', { kind: 'status' }) !== 1);
    expect(sampleOf(await metrics(), 'circumplex_websocket_connections')).toBe(1);
    await client.dispose();
    await next;
    while (sampleOf(await metrics(), 'circumplex_websocket_connections') !== 0);

    expect(await grown('circumplex_requests_total', { kind: 'query' })).toBe(2);
    expect(await grown('circumplex_requests_total', { kind: 'mutation' })).toBe(3);
    expect(await grown('circumplex_requests_total', { kind: 'subscription' })).toBe(1);
    expect(await grown('circumplex_refusals_total', { code: 'NOT_FOUND' })).toBe(3);
    expect(await grown('circumplex_refusals_total', { code: 'QUERY_TOO_COMPLEX' })).toBe(1);
    expect(await grown('circumplex_refusals_total', { code: 'BAD_INPUT' })).toBe(6);
    expect(await grown('circumplex_refusals_total', { code: 'INTERNAL' })).toBe(0);
  });

  test('count pictures and uploads, good and bad', async () => {
    const before = await metrics();
    const good = await readFile(photograph(2));
    const pictures = [
      { name: 'good.jpg', bytes: good },
      { name: 'bad.jpg', bytes: Buffer.from('no picture') },
    ];
    await server.uploadPictures(pictures, 'results { error { code } }');
    await server.putMedia(Buffer.from('no video'));
    const after = await metrics();
    const grown = (name: string, labels: Record<string, string> = {}): number =>
      sampleOf(after, name, labels)! - sampleOf(before, name, labels)!;
    expect(grown('circumplex_images_total', { outcome: 'scored' })).toBe(1);
    expect(grown('circumplex_images_total', { outcome: 'failed' })).toBe(1);
    expect(grown('circumplex_image_latency_seconds_count')).toBe(1);
    expect(grown('circumplex_faces_total')).toBe(2);
    expect(grown('circumplex_refusals_total', { code: 'MEDIA_UNSUPPORTED' })).toBe(1);
    expect(grown('circumplex_requests_total', { kind: 'upload' })).toBe(1);
    expect(grown('circumplex_uploads_total', { outcome: 'received' })).toBe(1);
  });

  test('show a video at work, and that nothing of it is left', async () => {
    const video = await makeVideo(join(folder.path, 'long.mp4'), { frames: 600 });
    const id = await server.submitVideo(video);
    while (sampleOf(await metrics(), 'circumplex_media_processes') !== 1);
    const busy = await metrics();
    expect(sampleOf(busy, 'circumplex_jobs_running')).toBe(1);
    expect(sampleOf(busy, 'circumplex_streams', { status: 'RUNNING' })).toBe(1);
    await server.query('mutation ($id: ID!) { deleteStream(id: $id) { id } }', { id });
    const still = await metrics();
    for (const name of ['circumplex_media_processes', 'circumplex_jobs_running']) expect(sampleOf(still, name)).toBe(0);
    for (const queue of ['find', 'read', 'jobs', 'images', 'store']) {
      expect(sampleOf(still, 'circumplex_queue_items', { queue })).toBe(0);
    }
  });
});

describe('readiness', () => {
  async function parts(): Promise<Readiness & AsyncDisposable & { readonly path: string }> {
    const own = await temporaryFolder();
    const running = await openPipeline(own.path);
    return {
      ...running,
      path: join(own.path, 'circumplex.db'),
      closing: new AbortController().signal,
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]();
        await own[Symbol.asyncDispose]();
      },
    };
  }

  test('is lost while another process holds the database, without a wait for it, and comes back', async () => {
    await using own = await parts();
    expect(await failingParts(own)).toEqual([]);
    const other = new Database(own.path);
    other.exec('BEGIN IMMEDIATE');
    const beganAtMs = performance.now();
    expect(await failingParts(own)).toEqual([{ part: 'database', reason: expect.stringContaining('written to') }]);
    // The wait of ordinary writes is 5 s, on the one thread that serves all.
    expect(performance.now() - beganAtMs).toBeLessThan(4000);
    other.exec('ROLLBACK');
    other.close();
    expect(await failingParts(own)).toEqual([]);
  });

  test('is lost when the database hangs', async () => {
    await using own = await parts();
    const store = Object.assign(Object.create(own.store) as typeof own.store, {
      checkWritable: () => new Promise<void>(() => undefined),
    });
    expect(await failingParts({ ...own, store })).toEqual([
      { part: 'database', reason: expect.stringContaining('2000 ms') },
    ]);
  });

  test('is lost while no worker serves one of the two networks, and while the server stops; each is told', async () => {
    await using own = await parts();
    const statistics = own.pipeline.statistics();
    const read = { ...statistics.vision.read, workersUp: 0 };
    const pipeline = Object.assign(Object.create(own.pipeline) as typeof own.pipeline, {
      statistics: () => ({ ...statistics, vision: { ...statistics.vision, read } }),
    });
    const failing = await failingParts({ ...own, pipeline, closing: AbortSignal.abort() });
    expect(failing.map(({ part }) => part)).toEqual(['server', 'networks']);
  });

  test('is 503 with the part that fails', async () => {
    await using own = await openServer();
    const other = new Database(join(own.dataDir, 'circumplex.db'));
    other.exec('BEGIN IMMEDIATE');
    const answer = await fetch(new URL('/readyz', own.url));
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ ready: false, failing: [{ part: 'database' }] });
    // It lives all the same: a restart would mend nothing.
    expect((await fetch(new URL('/healthz', own.url))).status).toBe(200);
    other.exec('ROLLBACK');
    other.close();
    for (;;) if ((await fetch(new URL('/readyz', own.url))).status === 200) break;
  });
});
