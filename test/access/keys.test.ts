/** Who gets in by which key, over each way into the server, and who is put out again. */
import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { KEY_SCOPES, type KeyScope } from '../../src/domain.ts';
import { frame, streamRecord } from '../store/support.ts';
import {
  eventData,
  events,
  type HttpAnswer,
  type KeyClient,
  type KeyedServer,
  openKeyedServer,
  type TestKey,
} from '../support/keyed-server.ts';

const STREAM = 'a-stream';
const QUERY = '{ engine { name } }';
const WATCH = `subscription { streamStatus(streamId: "${STREAM}") { status } }`;
const STOP = `mutation { stopStream(id: "${STREAM}") { id status } }`;

let server: KeyedServer;
const keys = {} as Record<KeyScope | 'revoked', TestKey>;
beforeAll(async () => {
  server = await openKeyedServer(
    {},
    {
      before: async ({ makeKey, store }) => {
        for (const scope of KEY_SCOPES) keys[scope] = await makeKey([scope]);
        keys.revoked = await makeKey(['admin']);
        await store.revokeKey(keys.revoked.id, new Date());
        // One of each key's own, under the same id but for its end.
        for (const [scope, { id }] of Object.entries(keys)) {
          const owned = { status: 'COMPLETED', uploadId: null, ownerKeyId: id } as const;
          await store.createStream(streamRecord(scope === 'read' ? STREAM : `${STREAM}-${scope}`, owned));
        }
        await store.appendFrames([frame(`${STREAM}-write`, 0)]);
      },
    },
  );
});
afterAll(() => server[Symbol.asyncDispose]());

function codeOf({ body }: HttpAnswer): string | null {
  return body?.error?.code ?? body?.errors?.[0]?.extensions.code ?? null;
}

/** Looks again and again until it holds. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

const WAYS: Readonly<Record<string, (client: KeyClient) => Promise<HttpAnswer>>> = {
  'a query': (client) => client.post(QUERY),
  'a query in the address': (client) => client.send(`/graphql?query=${encodeURIComponent(QUERY)}`),
  'a mutation': (client) => client.post(STOP),
  'a subscription': (client) =>
    client.send('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query: WATCH }),
    }),
  'an upload': (client) => client.putMedia(Buffer.alloc(100)),
  'an export': (client) => client.send(`/streams/${STREAM}/export`),
  'the metrics': (client) => client.send('/metrics'),
  'the page of GraphiQL, asked for by a program': (client) => client.send('/graphql', { method: 'HEAD' }),
  'what is not there': (client) => client.send('/nothing'),
};

describe.each(Object.keys(WAYS))('%s', (way) => {
  const SECRET = 'f'.repeat(64);
  const wrongKeys: Readonly<Record<string, () => TestKey | null>> = {
    'no key': () => null,
    'an unknown key': () => ({ id: '', text: `cpx_${'0'.repeat(12)}_${SECRET}` }),
    'the id of a key with another secret': () => ({ id: '', text: `cpx_${keys.admin.id}_${SECRET}` }),
    'a revoked key': () => keys.revoked,
    'no text of a key': () => ({ id: '', text: 'anything' }),
  };
  test.each(Object.keys(wrongKeys))('with %s is 401 and says how to give one', async (which) => {
    const answer = await WAYS[way]!(server.as(wrongKeys[which]!()));
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    if (answer.text !== '') {
      expect(answer.body.error).toMatchObject({ code: 'UNAUTHENTICATED', retryable: false });
      expect(answer.text).not.toContain(SECRET);
    }
  });
});

describe('a key is taken', () => {
  test.each(['Bearer KEY', 'bearer KEY', 'BEARER  KEY'])('as %s', async (form) => {
    const headers = { authorization: form.replace('KEY', keys.read.text) };
    expect((await server.as(null).send(`/graphql?query=${encodeURIComponent(QUERY)}`, { headers })).status).toBe(200);
  });

  test.each(['KEY', 'Basic KEY', 'Bearer KEYf', 'Bearer KEY KEY', 'Token KEY', 'Bearer'])('not as %s', async (form) => {
    const headers = { authorization: form.replaceAll('KEY', keys.read.text) };
    expect((await server.as(null).send(`/graphql?query=${encodeURIComponent(QUERY)}`, { headers })).status).toBe(401);
  });
});

describe('without a key', () => {
  test('the probes say whether it lives and can work, and nothing else', async () => {
    const nobody = server.as(null);
    const [health, ready] = [await nobody.send('/healthz'), await nobody.send('/readyz')];
    expect([health.status, health.body]).toEqual([200, { alive: true }]);
    expect([ready.status, ready.body]).toEqual([200, { ready: true }]);
    expect((await server.as(keys.read).send('/readyz')).body).toEqual({ ready: true, failing: [] });
  });

  test.each(['/graphql', `/graphql?query=${encodeURIComponent(QUERY)}`])(
    'a browser gets GraphiQL at %s',
    async (path) => {
      const page = await server.as(null).send(path, { headers: { accept: 'text/html' } });
      expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
      expect(page.text).toContain('YogaGraphiQL');
      expect(page.text).not.toContain('onnxruntime');
      // Its subscriptions carry the header of its editor, which is not kept in the browser.
      expect(page.text).toMatch(/"subscriptionsProtocol":"SSE","shouldPersistHeaders":false/);
    },
  );

  test('a foreign name of the host is taken, since no page that has one has a key', async () => {
    const { port } = new URL(server.url);
    const headers = { host: 'affect.example', authorization: `Bearer ${keys.read.text}` };
    const asking = request({ port, path: `/graphql?query=${encodeURIComponent(QUERY)}`, headers }).end();
    const [response] = await once(asking, 'response');
    response.resume();
    expect(response.statusCode).toBe(200);
  });
});

describe('a scope', () => {
  /** Status of each way for a key with one scope alone. */
  const EXPECTED: Readonly<Record<KeyScope, Readonly<Record<string, number>>>> = {
    read: {
      'a query': 200,
      'a subscription': 200,
      'an export': 200,
      'a mutation': 403,
      'an upload': 403,
      'the metrics': 403,
    },
    write: { 'a query': 403, 'an export': 403, 'a mutation': 200, 'an upload': 201, 'the metrics': 403 },
    admin: {
      'a query': 200,
      'a subscription': 200,
      'an export': 200,
      'a mutation': 200,
      'an upload': 201,
      'the metrics': 200,
    },
  };
  const cases = KEY_SCOPES.flatMap((scope) =>
    Object.entries(EXPECTED[scope]).map(([way, status]) => [scope, way, status] as const),
  );
  test.each(cases)('%s: %s is %i', async (scope, way, status) => {
    const answer = await WAYS[way]!(server.as(keys[scope]));
    expect([answer.status, codeOf(answer)]).toEqual([
      status,
      codeOf(answer) === 'NOT_FOUND' ? 'NOT_FOUND' : status === 403 ? 'FORBIDDEN' : null,
    ]);
  });

  test.each(['WebSocket', 'server-sent events'] as const)('holds over %s', async (transport) => {
    const [reader, writer] = [server.as(keys.read), server.as(keys.write)];
    const forbidden = { errors: [{ extensions: { code: 'FORBIDDEN', retryable: false } }] };
    expect(await reader.first(transport, QUERY)).toMatchObject({ data: { engine: {} } });
    expect(await reader.first(transport, STOP)).toMatchObject(forbidden);
    expect(await writer.first(transport, WATCH)).toMatchObject(forbidden);
    expect(await writer.first(transport, QUERY)).toMatchObject(forbidden);
  });

  test('write sees what its mutations answer, but not the history of a stream', async () => {
    const writer = server.as(keys.write);
    const stop = (fields: string) => writer.post(`mutation { stopStream(id: "${STREAM}-write") { ${fields} } }`);
    const { body } = await stop('id status progress { framesDone }');
    expect(body).toEqual({
      data: { stopStream: { id: `${STREAM}-write`, status: 'COMPLETED', progress: { framesDone: 1 } } },
    });
    const histories = [
      'frames { nodes { sequence } }',
      'tracks { nodes { number } }',
      'timeline(bucketSeconds: 1) { frames }',
      'summary { frames }',
    ];
    for (const fields of histories) {
      const answer = await stop(fields);
      expect([answer.status, codeOf(answer), answer.body.data]).toEqual([403, 'FORBIDDEN', null]);
    }
  });
});

describe('a WebSocket', () => {
  async function open(): Promise<{ socket: WebSocket; closed: Promise<readonly [number, string]> }> {
    const socket = new WebSocket(server.url.replace(/^http/, 'ws'), 'graphql-transport-ws');
    const closed = once(socket, 'close').then(([code, reason]) => [code as number, String(reason)] as const);
    await once(socket, 'open');
    return { socket, closed };
  }

  test.each([
    ['nothing', {}],
    ['no text', { authorization: 5 }],
    ['a wrong key', { authorization: `Bearer cpx_${'0'.repeat(12)}_${'0'.repeat(64)}` }],
  ])('that begins with %s is closed with 4403', async (_, payload) => {
    const { socket, closed } = await open();
    socket.send(JSON.stringify({ type: 'connection_init', payload }));
    const [code, reason] = await closed;
    expect([code, reason]).toEqual([4403, expect.stringMatching(/key/)]);
  });

  test('that asks before it says who it is is closed with 4401', async () => {
    const { socket, closed } = await open();
    socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: QUERY } }));
    expect(await closed).toEqual([4401, 'Unauthorized']);
  });

  test('that asks together with a wrong key gets no answer', async () => {
    const { socket, closed } = await open();
    const messages: string[] = [];
    socket.on('message', (bytes) => messages.push(String(bytes)));
    socket.send(JSON.stringify({ type: 'connection_init', payload: {} }));
    socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: QUERY } }));
    expect([(await closed)[0], messages]).toEqual([4403, []]);
  });
});

describe('a key that is revoked', () => {
  test('loses its subscriptions and uploads at once, and disturbs nobody else', async () => {
    const [doomed, spared] = [await server.makeKey(['read', 'write']), await server.makeKey(['read', 'write'])];
    const ids: string[] = [];
    for (const key of [doomed, spared]) {
      await until(async () => (await server.as(key).post(QUERY)).status === 200);
      ids.push((await server.as(key).post('mutation { openPush(input: {}) { id } }')).body.data.openPush.id);
    }
    const watching = (id: string | undefined): string => `subscription { streamStatus(streamId: "${id}") { id } }`;
    const sockets = [doomed, spared].map((key, index) => {
      const socket = server.as(key).client();
      return { socket, results: socket.iterate({ query: watching(ids[index]) }) };
    });
    for (const { results } of sockets) expect((await results.next()).done).toBe(false);
    const headers = { authorization: `Bearer ${doomed.text}` };
    const told = eventData(await events(server.url, { headers, query: watching(ids[0]) }));
    expect(await told.next()).toMatchObject({ value: { data: {} } });
    const upload = request(new URL('/media', server.url), { method: 'PUT', headers });
    upload.on('error', () => undefined);
    upload.write(Buffer.alloc(1000));
    const uploaded = once(upload, 'response').then(([response]) => response.resume().statusCode);

    await server.store.revokeKey(doomed.id, new Date());
    await expect(
      (async () => {
        for await (const _ of sockets[0]!.results);
      })(),
    ).rejects.toMatchObject({ code: 4403, reason: 'The key has been revoked.' });
    let last: unknown;
    for await (const data of told) last = data;
    expect(last).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    expect(await uploaded).toBe(401);
    expect((await server.as(doomed).post(QUERY)).status).toBe(401);
    expect(await sockets[1]?.results.next()).toMatchObject({ done: false });
    expect((await server.as(spared).post(`mutation { stopStream(id: "${ids[1]}") { status } }`)).body).toMatchObject({
      data: { stopStream: { status: 'STOPPED' } },
    });
    for (const { socket } of sockets) await socket.dispose();
  });
});

describe('the first key of a database', () => {
  test('shuts a running server to all who have none', async () => {
    await using open = await openKeyedServer();
    const anybody = open.as(null);
    const { body } = await anybody.post('mutation { openPush(input: {}) { id } }');
    const query = `subscription { streamStatus(streamId: "${body.data.openPush.id}") { id } }`;
    const socket = anybody.client();
    const results = socket.iterate({ query });
    expect((await results.next()).done).toBe(false);
    const told = eventData(await events(open.url, { headers: {}, query }));
    expect((await told.next()).done).toBe(false);

    const [key, admin] = [await open.makeKey(['read']), await open.makeKey(['admin'])];
    await expect(
      (async () => {
        for await (const _ of results);
      })(),
    ).rejects.toMatchObject({ code: 4403 });
    let last: unknown;
    for await (const data of told) last = data;
    expect(last).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    expect((await anybody.post(QUERY)).status).toBe(401);
    await until(async () => (await open.as(admin).post(QUERY)).status === 200);
    // What was made without keys is an admin's.
    const list = '{ streams { nodes { id } } }';
    expect((await open.as(key).post(list)).body).toEqual({ data: { streams: { nodes: [] } } });
    expect((await open.as(admin).post(list)).body).toEqual({ data: { streams: { nodes: [body.data.openPush] } } });
    await socket.dispose();
  });

  test('that is revoked does not open the server again', async () => {
    await using shut = await openKeyedServer(
      {},
      {
        before: async ({ makeKey, store }) => store.revokeKey((await makeKey(['read'])).id, new Date()),
      },
    );
    expect((await shut.as(null).post(QUERY)).status).toBe(401);
  });
});

describe('a server that others can reach', () => {
  test('does not start without a key, and says what to do', async () => {
    const started = openKeyedServer({ HOST: '0.0.0.0' });
    await expect(started).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('circumplex keys create NAME'),
    });
  });

  test('does not start with a revoked key alone', async () => {
    const started = openKeyedServer(
      { HOST: '0.0.0.0' },
      {
        before: async ({ makeKey, store }) => store.revokeKey((await makeKey(['admin'])).id, new Date()),
      },
    );
    await expect(started).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('starts with a key, and asks for it', async () => {
    let key: TestKey | null = null;
    await using open = await openKeyedServer(
      { HOST: '0.0.0.0' },
      {
        before: async ({ makeKey }) => {
          key = await makeKey(['read']);
        },
      },
    );
    expect((await open.as(null).post(QUERY)).status).toBe(401);
    expect((await open.as(key).post(QUERY)).body).toMatchObject({ data: { engine: {} } });
  });
});
