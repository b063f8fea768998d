import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createUploads, type Uploads, type UploadsOptions } from '../../src/ingest/index.ts';
import { codeOf } from './fixtures/media.ts';

let parent: string;
let folder: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'circumplex-uploads-'));
  folder = join(parent, 'uploads');
});
afterEach(() => rm(parent, { recursive: true, force: true }));

function start(options: Partial<UploadsOptions> = {}): Promise<Uploads> {
  return createUploads({ folder, maxBytes: 1000, maxAgeSeconds: 60, ...options });
}

async function* bytes(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const [index, size] of sizes.entries()) yield new Uint8Array(size).fill(index + 1);
}

describe('receiving', () => {
  it('keeps the bytes in order under an id that cannot be guessed', async () => {
    await using uploads = await start();
    const { id, sizeBytes } = await uploads.receive(bytes(400, 0, 600), { contentLength: 1000 });
    expect(sizeBytes).toBe(1000);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    const stored = await readFile(await uploads.pathOf(id));
    expect(stored).toEqual(Buffer.concat([Buffer.alloc(400, 1), Buffer.alloc(600, 3)]));
    expect(await readdir(folder)).toEqual([id]);
    expect(uploads.statistics()).toEqual({ inFlight: 0, received: 1, refused: 0, failed: 0 });
  });

  it('refuses an empty one, and keeps nothing of it', async () => {
    await using uploads = await start();
    await expect(uploads.receive(bytes())).rejects.toMatchObject({ code: 'UPLOAD_INCOMPLETE' });
    await expect(uploads.receive(bytes(0), { contentLength: 0 })).rejects.toMatchObject({ code: 'UPLOAD_INCOMPLETE' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps them for the user of the server alone', async () => {
    await using uploads = await start();
    const { id } = await uploads.receive(bytes(1));
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(await uploads.pathOf(id))).mode & 0o777).toBe(0o600);
  });

  it('refuses by the announced length before anything is read', async () => {
    await using uploads = await start();
    let read = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      read = true;
      yield new Uint8Array(1);
    }
    expect(await codeOf(uploads.receive(source(), { contentLength: 1001 }))).toBe('UPLOAD_TOO_LARGE');
    expect(read).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  it('stops at the limit whatever was announced, and leaves the stream open for an answer', async () => {
    await using uploads = await start();
    const source = Readable.from(bytes(600, 600, 600), { objectMode: true, highWaterMark: 1 });
    expect(await codeOf(uploads.receive(source))).toBe('UPLOAD_TOO_LARGE');
    expect(source.destroyed).toBe(false);
    expect(await readdir(folder)).toEqual([]);
    source.destroy();
  });

  it.each([
    ['fewer', 400],
    ['more', 600],
  ])('is incomplete with %s bytes than announced', async (_, size) => {
    await using uploads = await start();
    expect(await codeOf(uploads.receive(bytes(size), { contentLength: 500 }))).toBe('UPLOAD_INCOMPLETE');
    expect(await readdir(folder)).toEqual([]);
    expect(uploads.statistics()).toMatchObject({ received: 0, failed: 1 });
  });

  it('is incomplete when the client goes away in the middle', async () => {
    await using uploads = await start();
    const server = createServer();
    const received = once(server, 'request').then(([message]) => codeOf(uploads.receive(message as IncomingMessage)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = request({
      port: (server.address() as AddressInfo).port,
      method: 'PUT',
      headers: { 'content-length': 900 },
    });
    client.on('error', () => {});
    client.write(Buffer.alloc(300), () => setTimeout(() => client.destroy(), 30));
    expect(await received).toBe('UPLOAD_INCOMPLETE');
    expect(await readdir(folder)).toEqual([]);
    server.close();
  });

  it('is incomplete when the sender falls silent', async () => {
    await using uploads = await start({ maxIdleSeconds: 0.05 });
    const silent = new PassThrough();
    silent.write(Buffer.alloc(10));
    expect(await codeOf(uploads.receive(silent))).toBe('UPLOAD_INCOMPLETE');
    expect(await readdir(folder)).toEqual([]);
    silent.destroy();
  });

  it('ends with the signal, before and in the middle', async () => {
    await using uploads = await start();
    expect(await codeOf(uploads.receive(bytes(1), { signal: AbortSignal.abort() }))).toBe('ABORTED');
    const stop = new AbortController();
    const endless = new PassThrough();
    endless.write(Buffer.alloc(10));
    const receiving = codeOf(uploads.receive(endless, { signal: stop.signal }));
    setTimeout(() => stop.abort(), 20);
    expect(await receiving).toBe('ABORTED');
    expect(await readdir(folder)).toEqual([]);
    endless.destroy();
  });

  it('takes so many at once and counts what it refuses', async () => {
    await using uploads = await start({ maxInFlight: 2 });
    const open = [new PassThrough(), new PassThrough()];
    const receiving = open.map((source) => uploads.receive(source));
    expect(await codeOf(uploads.receive(bytes(1)))).toBe('OVERLOADED');
    expect(uploads.statistics()).toMatchObject({ inFlight: 2, refused: 1 });
    for (const source of open) source.end(Buffer.alloc(3));
    await Promise.all(receiving);
    await uploads.receive(bytes(1));
    expect(uploads.statistics()).toEqual({ inFlight: 0, received: 3, refused: 1, failed: 0 });
  });
});

describe('ids', () => {
  it.each([
    '',
    '.',
    '..',
    '../secret',
    'a/b',
    '%2e%2e',
    `${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}/../../secret`,
    'x\0y',
  ])('of another shape are not found: %j', async (id) => {
    await using uploads = await start();
    await writeFile(join(parent, 'secret'), 'x');
    expect(await codeOf(uploads.pathOf(id))).toBe('NOT_FOUND');
    expect(await uploads.remove(id)).toBe(false);
    expect(await readdir(parent)).toContain('secret');
  });

  it('of nothing are not found', async () => {
    await using uploads = await start();
    const { id } = await uploads.receive(bytes(1));
    expect(await uploads.remove(id)).toBe(true);
    expect(await codeOf(uploads.pathOf(id))).toBe('NOT_FOUND');
    expect(await uploads.remove(id)).toBe(false);
  });
});

describe('leftovers', () => {
  it('of an upload that was cut short by the end of the process go at the start; whole ones stay', async () => {
    const first = await start();
    const { id } = await first.receive(bytes(5));
    await first[Symbol.asyncDispose]();
    await writeFile(join(folder, '00000000-0000-4000-8000-000000000000.part'), 'half');
    await using second = await start();
    expect(await readdir(folder)).toEqual([id]);
    expect(await readFile(await second.pathOf(id))).toHaveLength(5);
  });

  it('that are old and unused are swept, and nothing else', async () => {
    await using uploads = await start();
    const [old, used, young] = await Promise.all([1, 2, 3].map((size) => uploads.receive(bytes(size))));
    const before = new Date(Date.now() - 120_000);
    for (const { id } of [old!, used!]) await utimes(await uploads.pathOf(id), before, before);
    expect(await uploads.sweep((id) => id === used!.id)).toBe(1);
    expect((await readdir(folder)).sort()).toEqual([used!.id, young!.id].sort());
  });

  it('of what is under way go when it is closed', async () => {
    const uploads = await start();
    const endless = new PassThrough();
    endless.write(Buffer.alloc(10));
    const receiving = codeOf(uploads.receive(endless));
    await uploads[Symbol.asyncDispose]();
    expect(await receiving).toBe('ABORTED');
    expect(await readdir(folder)).toEqual([]);
    endless.destroy();
    await uploads[Symbol.asyncDispose]();
  });
});
