import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { makeVideo, temporaryFolder } from '../pipeline/support.ts';
import { openServer, type TestServer } from '../support/server.ts';

const FRAMES = `subscription ($id: ID!, $after: Cursor, $fromStart: Boolean) {
  frames(streamId: $id, after: $after, fromStart: $fromStart) { cursor sequence ptsSeconds droppedBefore faces { track { number } } } }`;
const VIDEO_FRAMES = 60;

interface Frame {
  readonly cursor: string;
  readonly sequence: number;
  readonly ptsSeconds: number;
  readonly droppedBefore: number;
}

let server: TestServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let video: Buffer;
beforeAll(async () => {
  folder = await temporaryFolder();
  video = await readFile(await makeVideo(join(folder.path, 'video.mp4'), { frames: VIDEO_FRAMES }));
  server = await openServer({ SUBSCRIBER_BUFFER_FRAMES: '4' });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function start(): Promise<string> {
  const mediaId = (await server.putMedia(video)).body.id;
  const { data } = await server.query('mutation ($m: ID!) { analyzeVideo(input: { mediaId: $m }) { id } }', {
    m: mediaId,
  });
  return data.analyzeVideo.id;
}

/** Receives frames until `count` have come or the stream ends; then the socket is cut without a word. */
async function receive(
  variables: Record<string, unknown>,
  count = Number.POSITIVE_INFINITY,
): Promise<{ frames: Frame[]; completed: boolean }> {
  let socket: WebSocket | undefined;
  class Observed extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      socket = this;
    }
  }
  const client = createClient({ url: server.webSocketUrl, webSocketImpl: Observed, retryAttempts: 0 });
  const frames: Frame[] = [];
  try {
    for await (const { data, errors } of client.iterate<{ frames: Frame }>({ query: FRAMES, variables })) {
      if (errors !== undefined) throw errors;
      if (!data) continue;
      frames.push(data.frames);
      if (frames.length >= count) {
        socket!.terminate();
        return { frames, completed: false };
      }
    }
    return { frames, completed: true };
  } finally {
    await client.dispose();
  }
}

describe('frames over WebSocket', () => {
  test('reach a subscriber who is cut off again and again exactly once, in order', async () => {
    for (const stay of [1, 7, 23]) {
      const id = await start();
      const seen: Frame[] = [];
      for (let completed = false; !completed; ) {
        const after = seen.at(-1)?.cursor;
        const visit = await receive({ id, ...(after === undefined ? { fromStart: true } : { after }) }, stay);
        seen.push(...visit.frames);
        completed = visit.completed;
      }
      expect(seen.map(({ sequence }) => sequence)).toEqual(Array.from({ length: VIDEO_FRAMES }, (_, index) => index));
      expect(seen.every(({ droppedBefore }) => droppedBefore === 0)).toBe(true);
      const { data } = await server.query(
        'query ($id: ID!) { stream(id: $id) { frames(first: 1000) { nodes { cursor ptsSeconds } } } }',
        { id },
      );
      expect(seen.map(({ cursor, ptsSeconds }) => ({ cursor, ptsSeconds }))).toEqual(data.stream.frames.nodes);
    }
  });

  test('of a stream that is deleted under its subscriber end', async () => {
    const id = await start();
    const receiving = receive({ id, fromStart: true });
    await server.query('mutation ($id: ID!) { deleteStream(id: $id) { id } }', { id });
    // Depending on who was faster the subscription ended or found nothing.
    await receiving.then(
      ({ completed }) => expect(completed).toBe(true),
      (errors) => expect(errors[0].extensions.code).toBe('NOT_FOUND'),
    );
  });

  test('of an unknown stream, or after a cursor of another, are typed errors', async () => {
    const unknown = '00000000-0000-4000-8000-000000000000';
    await expect(receive({ id: unknown })).rejects.toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
    await expect(receive({ id: unknown, after: 'nonsense' })).rejects.toMatchObject([
      { extensions: { code: 'CURSOR_INVALID' } },
    ]);
  });

  test('wait in a bounded buffer for a client that stalls, who is told what it lost, while others get everything', async () => {
    // A frame's message is made long enough that a stalled socket fills soon.
    const wide = Array.from(
      { length: 28 },
      (_, index) =>
        `f${index}: faces { landmarks { name x y } expressions { expression probability } box { x y width height } }`,
    );
    const query = `subscription ($id: ID!) { frames(streamId: $id) { sequence droppedBefore ${wide.join(' ')} } }`;
    await using own = await openServer({ SUBSCRIBER_BUFFER_FRAMES: '4', WORKERS: '2' });
    const long = await readFile(await makeVideo(join(folder.path, 'long.mp4'), { frames: 150, photo: 5 }));
    const mediaId = (await own.putMedia(long)).body.id;
    const socket = new WebSocket(own.webSocketUrl, 'graphql-transport-ws');
    const got: { sequence: number; droppedBefore: number }[] = [];
    const ended = new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the server closed the socket')));
      socket.on('message', (bytes) => {
        const message = JSON.parse(String(bytes));
        if (message.type === 'next') got.push(message.payload.data.frames);
        if (message.type === 'complete') resolve();
      });
    });
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(JSON.stringify({ type: 'connection_init' }));
    const { data } = await own.query('mutation ($m: ID!) { analyzeVideo(input: { mediaId: $m }) { id } }', {
      m: mediaId,
    });
    const { id } = data.analyzeVideo;
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { id } } }));
    while (got.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.pause();
    // Not for long: a client that answers no ping for 12 s counts as gone and is closed.
    const resumeAtMs = performance.now() + 9_000;
    while (performance.now() < resumeAtMs) {
      const { data: now } = await own.query('query ($id: ID!) { stream(id: $id) { status } }', { id });
      if (now.stream.status === 'COMPLETED') break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    socket.resume();
    await ended;
    socket.terminate();
    const lost = got.reduce((sum, { droppedBefore }) => sum + droppedBefore, 0);
    expect(got.at(-1)!.sequence).toBe(149);
    expect(lost).toBeGreaterThan(0);
    // Nothing is lost without being told.
    expect(got.length + lost).toBe(149 - got[0]!.sequence + 1 + got[0]!.droppedBefore);
  });
});

test('the status of a stream is pushed with its progress until it ends', async () => {
  const id = await start();
  const client = createClient({ url: server.webSocketUrl, webSocketImpl: WebSocket, retryAttempts: 0 });
  const query =
    'subscription ($id: ID) { streamStatus(streamId: $id) { id status progress { framesDone share mediaSecondsTotal } } }';
  const seen: { status: string; progress: { framesDone: number; share: number } }[] = [];
  for await (const { data } of client.iterate<{ streamStatus: (typeof seen)[number] }>({ query, variables: { id } })) {
    if (data) seen.push(data.streamStatus);
  }
  await client.dispose();
  expect(seen.at(-1)).toMatchObject({
    id,
    status: 'COMPLETED',
    progress: { framesDone: VIDEO_FRAMES, share: 1, mediaSecondsTotal: 2.4 },
  });
  const done = seen.map(({ progress }) => progress.framesDone);
  expect(done).toEqual([...done].sort((a, b) => a - b));
});

test('frames come by server-sent events too, and the answer ends with the stream', async () => {
  const id = await start();
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query: FRAMES, variables: { id, fromStart: true } }),
  });
  const text = await response.text();
  const data = [...text.matchAll(/^data: (.+)$/gm)].map(([, json]) => JSON.parse(json!));
  expect(data.map((one) => one.data.frames.sequence)).toEqual(
    Array.from({ length: VIDEO_FRAMES }, (_, index) => index),
  );
  expect(text).toContain('event: complete');
});

describe('a WebSocket', () => {
  const open = (options: WebSocket.ClientOptions): Promise<number> =>
    new Promise((resolve) => {
      const socket = new WebSocket(server.webSocketUrl, 'graphql-transport-ws', options);
      socket.once('open', () => {
        socket.terminate();
        resolve(101);
      });
      socket.once('unexpected-response', (_, response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      socket.on('error', () => undefined);
    });

  test('is not opened for a page of another site', async () => {
    expect(await open({ origin: 'https://elsewhere.example' })).toBe(401);
    expect(await open({ origin: new URL(server.url).origin })).toBe(101);
    expect(await open({})).toBe(101);
  });

  test('has the same limits on queries', async () => {
    const client = createClient({ url: server.webSocketUrl, webSocketImpl: WebSocket, retryAttempts: 0 });
    const query = `{ ${Array.from({ length: 40 }, (_, index) => `a${index}: engine { name }`).join(' ')} }`;
    const asking = client.iterate({ query }).next();
    await expect(asking).rejects.toMatchObject([{ extensions: { code: 'QUERY_TOO_COMPLEX' } }]);
    await client.dispose();
  });

  test('is closed with a reason when the server stops', async () => {
    const own = await openServer();
    const socket = new WebSocket(own.webSocketUrl, 'graphql-transport-ws');
    await new Promise((resolve) => socket.once('open', resolve));
    const closed = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
    await own[Symbol.asyncDispose]();
    expect(await closed).toBe(1001);
  });
});
