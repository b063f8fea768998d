/** What one key may take, each limit met for real, and that it is that key's alone. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyLimits } from '../../src/domain.ts';
import { photograph } from '../pipeline/support.ts';
import { frame, streamRecord } from '../store/support.ts';
import {
  type HttpAnswer,
  type KeyClient,
  type KeyedServer,
  openKeyedServer,
  type TestKey,
  TRANSPORTS,
} from '../support/keyed-server.ts';

const QUERY = '{ engine { name } }';
const OPEN = 'mutation { openPush(input: {}) { id } }';
const PICTURE = { 'variables.frame': { name: 'frame.jpg', bytes: readFileSync(photograph(2)) } };

const LIMITS: Readonly<Record<string, Partial<KeyLimits>>> = {
  requests: { requestsPerMinute: 3 },
  socketRequests: { requestsPerMinute: 3 },
  aliases: { requestsPerMinute: 4 },
  streams: { openStreams: 2 },
  subscriptions: { subscriptions: 2, requestsPerMinute: 0 },
  uploads: { uploadsInFlight: 1, requestsPerMinute: 0 },
  bytes: { uploadBytesPerDay: 10_000 },
  frames: { storedFrames: 4 },
  none: Object.fromEntries(
    ['requestsPerMinute', 'openStreams', 'subscriptions', 'uploadsInFlight', 'uploadBytesPerDay', 'storedFrames'].map(
      (word) => [word, 0],
    ),
  ),
};

let server: KeyedServer;
const keys: Record<string, TestKey> = {};
const as = (name: string): KeyClient => server.as(keys[name]!);
beforeAll(async () => {
  // The server's own limits are met by the key `defaults`; the others have their own.
  server = await openKeyedServer(
    { KEY_REQUESTS_PER_MINUTE: '50', KEY_OPEN_STREAMS: '1' },
    {
      before: async ({ makeKey }) => {
        for (const [name, limits] of Object.entries(LIMITS)) keys[name] = await makeKey(['read', 'write'], limits);
        keys.defaults = await makeKey(['read', 'write']);
      },
    },
  );
});
afterAll(() => server[Symbol.asyncDispose]());

/** Every answer that is refused for a limit says so in the same way. */
function expectExceeded({ status, headers, body }: HttpAnswer, { wait }: { readonly wait: boolean }): void {
  const error = body.error ?? { ...body.errors[0].extensions, message: body.errors[0].message };
  expect([status, error.code, error.retryable]).toEqual([429, 'LIMIT_EXCEEDED', true]);
  expect(error.message).toMatch(wait ? /try again in \d+ s\.$/ : /^.+; .+\.$/);
  expect(headers.get('retry-after')).toBe(wait ? String(error.retryAfterSeconds) : null);
  if (wait) expect(error.retryAfterSeconds).toBeGreaterThan(0);
}

async function open(client: KeyClient): Promise<string> {
  const { body } = await client.post(OPEN);
  return body.data.openPush.id;
}

const push = (client: KeyClient, id: string): Promise<HttpAnswer> =>
  client.post(
    'mutation ($id: ID!, $frame: Upload!) { pushFrame(streamId: $id, frame: $frame) { sequence } }',
    { id, frame: null },
    PICTURE,
  );

const stop = (client: KeyClient, id: string): Promise<HttpAnswer> =>
  client.post('mutation ($id: ID!) { stopStream(id: $id) { status } }', { id });

describe('requests a minute', () => {
  test('are counted over HTTP, whatever they are', async () => {
    const client = as('requests');
    await client.post(QUERY);
    await client.send('/metrics');
    await client.send('/nothing');
    expectExceeded(await client.post(QUERY), { wait: true });
    expectExceeded(await client.putMedia(Buffer.alloc(10)), { wait: true });
  });

  test('are counted over WebSocket, and the connection goes on', async () => {
    const socket = as('socketRequests').client();
    const ask = async (): Promise<unknown> => (await socket.iterate({ query: QUERY }).next()).value;
    for (let asked = 0; asked < 3; asked++) expect(await ask()).toMatchObject({ data: {} });
    await expect(ask()).rejects.toMatchObject([{ extensions: { code: 'LIMIT_EXCEEDED', retryable: true } }]);
    await expect(ask()).rejects.toMatchObject([{ message: expect.stringMatching(/try again in \d+ s\.$/) }]);
    await socket.dispose();
  });

  test('are counted for each field of a mutation', async () => {
    const client = as('aliases');
    const id = await open(client);
    const many = (count: number): string => {
      const fields = Array.from({ length: count }, (_, index) => `a${index}: stopStream(id: "${id}") { id }`);
      return `mutation { ...all } fragment all on Mutation { ${fields.join(' ')} }`;
    };
    const { status, body } = await client.post(many(20));
    expect([status, body.errors[0].extensions.code]).toEqual([429, 'LIMIT_EXCEEDED']);
    expect((await client.post(many(2))).status).toBe(200);
    expectExceeded(await client.post(QUERY), { wait: true });
  });

  test('are each key’s own', async () => {
    expect((await as('none').post(QUERY)).status).toBe(200);
  });
});

describe('open streams', () => {
  test('are refused beyond the limit of the key, until one has ended', async () => {
    const client = as('streams');
    const [first] = [await open(client), await open(client)];
    expectExceeded(await client.post(OPEN), { wait: false });
    await stop(client, first);
    await open(client);
    expectExceeded(await client.post(OPEN), { wait: false });
  });

  test('cannot pass the limit together, at once', async () => {
    const client = as('defaults');
    const answers = await Promise.all(Array.from({ length: 6 }, () => client.post(OPEN)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await server.store.openStreamsOf(keys.defaults!.id)).toBe(1);
  });

  test('have no limit where it is 0', async () => {
    const ids = [await open(as('none')), await open(as('none')), await open(as('none'))];
    for (const id of ids) await stop(as('none'), id);
  });
});

test.each(TRANSPORTS.slice(1))(
  'subscriptions over %s are refused beyond the limit, until one has ended',
  async (transport) => {
    const client = as('subscriptions');
    const id = await open(client);
    const query = `subscription { streamStatus(streamId: "${id}") { id } }`;
    const socket = client.client();
    const held = [
      socket.iterate({ query }),
      socket.iterate({ query: query.replace('streamStatus', 'a: streamStatus') }),
    ];
    for (const results of held) expect((await results.next()).value).toMatchObject({ data: {} });
    const refused = { errors: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] };
    expect(await client.first(transport, query)).toMatchObject(refused);
    await held[0]?.return?.();
    for (;;) {
      // The server hears of the end a moment later.
      const { data } = (await client.first(transport, query)) as { readonly data?: { readonly streamStatus: unknown } };
      if (data) break;
    }
    await socket.dispose();
    await stop(client, id);
  },
);

test('WebSockets are as many as subscriptions', async () => {
  const client = as('subscriptions');
  const sockets = [client.client(), client.client()];
  const first = sockets.map((socket) => socket.iterate({ query: QUERY }));
  // A lazy client leaves when it has nothing more to ask: these ask on.
  const held = sockets.map((socket) => socket.iterate({ query: 'subscription { streamStatus { id } }' }));
  const waiting = held.map((results) => results.next());
  for (const results of first) expect((await results.next()).value).toMatchObject({ data: {} });
  expect(await client.first('WebSocket', QUERY)).toEqual({ closed: [1013, expect.stringContaining('limit')] });
  for (const results of held) await results.return?.();
  await Promise.all(waiting);
  for (const socket of sockets) await socket.dispose();
  while (!((await client.first('WebSocket', QUERY)) as { readonly data?: unknown }).data);
});

describe('uploads', () => {
  test('at once are refused beyond the limit', async () => {
    const headers = { authorization: `Bearer ${keys.uploads?.text}`, expect: '100-continue' };
    const slow = request(new URL('/media', server.url), { method: 'PUT', headers });
    slow.on('error', () => undefined);
    slow.flushHeaders();
    // The server says so when it takes the upload.
    await once(slow, 'continue');
    expectExceeded(await as('uploads').putMedia(Buffer.alloc(10)), { wait: false });
    const ended = new Promise((resolve) => slow.once('response', (response) => resolve(response.resume().statusCode)));
    slow.end(Buffer.alloc(10));
    expect(await ended).toBe(201);
    expect((await as('uploads').putMedia(Buffer.alloc(10))).status).toBe(201);
  });

  test('have so many bytes a day, announced or not', async () => {
    const client = as('bytes');
    expect((await client.putMedia(Buffer.alloc(6000))).status).toBe(201);
    expectExceeded(await client.putMedia(Buffer.alloc(6000)), { wait: true });
    const inChunks = new Blob([Buffer.alloc(6000)]).stream();
    expectExceeded(await client.send('/media', { method: 'PUT', body: inChunks, duplex: 'half' } as RequestInit), {
      wait: true,
    });
    const never = await client.putMedia(Buffer.alloc(20_000));
    expect([never.status, never.body.error.code]).toEqual([413, 'UPLOAD_TOO_LARGE']);
    expect((await client.putMedia(Buffer.alloc(100))).status).toBe(201);
  });
});

test('stored frames end a stream at the limit of its key, and erasing makes room', async () => {
  const client = as('frames');
  const { id: ownerKeyId } = keys.frames!;
  await server.store.createStream(streamRecord('stored', { ownerKeyId, status: 'COMPLETED' }));
  await server.store.appendFrames([frame('stored', 0), frame('stored', 1)]);
  const id = await open(client);
  for (let pushed = 0; pushed < 2; pushed++) expect((await push(client, id)).status).toBe(200);
  expectExceeded(await push(client, id), { wait: false });
  const { body } = await client.post(
    'query ($id: ID!) { stream(id: $id) { error { code } progress { framesDone } } }',
    { id },
  );
  expect(body.data.stream).toEqual({ error: { code: 'LIMIT_EXCEEDED' }, progress: { framesDone: 2 } });
  expectExceeded(await client.post(OPEN), { wait: false });
  await client.post('mutation { deleteStream(id: "stored") { frames } }');
  expect((await push(client, await open(client))).status).toBe(200);
});
