import { afterAll, beforeAll, expect, test } from 'vitest';
import { faultsOf, Observer, openStream } from './fixtures/observer.ts';
import { ServerProcess } from './fixtures/server-process.ts';
import { openSmallDisk } from './fixtures/small-disk.ts';
import { httpServer, motionJpeg, smallPhotograph } from './fixtures/sources.ts';

const MEBIBYTE = 1024 * 1024;

const disk = await openSmallDisk(16 * MEBIBYTE);
afterAll(() => disk?.[Symbol.asyncDispose]());

let source: Awaited<ReturnType<typeof httpServer>>;
beforeAll(async () => {
  const jpeg = await smallPhotograph();
  source = await httpServer((_, response) => void motionJpeg(response, jpeg, 10));
});
afterAll(() => source[Symbol.asyncDispose]());

test.runIf(disk !== null)(
  'a full disk stops what is written and nothing else: a live stream goes on when there is room, without a gap',
  async () => {
    await using server = await ServerProcess.start(disk!.path);
    const id = await openStream(server, `${source.url}/video`);
    await using observer = new Observer(server, id);
    await observer.more(4);

    await disk!.fill();
    await expect.poll(() => server.log).toContain('interrupted by a fault of the server');
    const framesWhenFull = observer.frames.length;
    expect((await server.request('/healthz')).status).toBe(200);
    expect((await server.request('/readyz')).status).toBe(503);

    // What is there can be read, and whoever writes is told.
    const history = 'query ($id: ID!) { stream(id: $id) { status frames(first: 1000) { nodes { sequence } } } }';
    const { data } = await server.query(history, { id });
    expect(data.stream.frames.nodes).toHaveLength(framesWhenFull);
    const { errors } = await server.query('mutation { openPush(input: {}) { id } }');
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['STORE_FAILED']);
    const upload = await server.request('/media', { method: 'PUT', body: new Uint8Array(MEBIBYTE) });
    expect(upload.status).toBe(503);
    expect(await upload.json()).toMatchObject({ error: { code: 'OVERLOADED', retryable: true } });

    await disk!.free();
    await observer.more(4);
    expect(faultsOf(observer.frames)).toEqual([]);
    expect(observer.names).not.toContain('FAILED');
    await expect.poll(async () => (await server.request('/readyz')).status).toBe(200);
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
  },
);
