import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { ffmpeg, makeVideo, temporaryFolder } from '../pipeline/support.ts';
import { openServer, type TestServer } from '../support/server.ts';

const FRAMES = `subscription ($id: ID!, $after: Cursor, $fromStart: Boolean, $includeEmpty: Boolean) {
  frames(streamId: $id, after: $after, fromStart: $fromStart, includeEmpty: $includeEmpty) { cursor sequence ptsSeconds droppedBefore faces { track { number } } } }`;
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
  server = await openServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function start(bytes: Uint8Array = video): Promise<string> {
  const mediaId = (await server.putMedia(bytes)).body.id;
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

/** Frames until the next cut, 1 to 20: the same for the same seed. */
function randomStays(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return 1 + (state % 20);
  };
}

describe('frames over WebSocket', () => {
  test.each([1, 2, 3])(
    'reach a subscriber who is cut off at random places exactly once, in order (%i)',
    async (seed) => {
      const id = await start();
      const stay = randomStays(seed);
      const seen: Frame[] = [];
      for (let completed = false; !completed; ) {
        const after = seen.at(-1)?.cursor;
        const visit = await receive({ id, ...(after === undefined ? {} : { after }) }, stay());
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
    },
  );

  test('of a stream that is deleted under its subscriber end', async () => {
    const id = await start();
    const receiving = receive({ id });
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

  test('come only from now on, or only with faces, where a subscriber asks so', async () => {
    const id = await start();
    await receive({ id });
    expect(await receive({ id, fromStart: false })).toEqual({ frames: [], completed: true });
    const wall = join(folder.path, 'wall.mp4');
    await ffmpeg('-f', 'lavfi', '-i', 'color=gray:size=320x180:rate=25', '-frames:v', '10', wall);
    const empty = await start(await readFile(wall));
    expect((await receive({ id: empty })).frames).toHaveLength(10);
    expect(await receive({ id: empty, includeEmpty: false })).toEqual({ frames: [], completed: true });
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
    body: JSON.stringify({ query: FRAMES, variables: { id } }),
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
});
