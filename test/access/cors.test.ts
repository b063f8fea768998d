/** Which pages a browser may let in, seen from what the server answers to it. */
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { type KeyedServer, openKeyedServer, type TestKey } from '../support/keyed-server.ts';

const APP = 'https://app.example';
const OTHERS = [
  'https://other.example',
  'http://app.example',
  'https://app.example:8443',
  'https://app.example.evil',
  'null',
];
const PATHS = ['/graphql', '/media', '/streams/any/export', '/metrics'];
const QUERY = `/graphql?query=${encodeURIComponent('{ engine { name } }')}`;

let server: KeyedServer;
let key: TestKey;
beforeAll(async () => {
  server = await openKeyedServer(
    { CORS_ORIGINS: `${APP},http://localhost:3000` },
    {
      before: async ({ makeKey }) => {
        key = await makeKey(['read']);
      },
    },
  );
});
afterAll(() => server[Symbol.asyncDispose]());

interface Seen {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** As a browser sends it: `fetch` would not let a test say where it comes from. */
async function ask(
  url: string,
  path: string,
  { method = 'GET', headers = {} as Record<string, string> } = {},
): Promise<Seen> {
  const asking = request(new URL(path, url), { method, headers }).end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
}

const fromPage = (origin: string): Record<string, string> => ({
  origin,
  'sec-fetch-site': 'cross-site',
  'sec-fetch-mode': 'cors',
});

const preflight = (url: string, path: string, origin: string): Promise<Seen> =>
  ask(url, path, {
    method: 'OPTIONS',
    headers: {
      ...fromPage(origin),
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    },
  });

const corsHeaders = ({ headers }: Seen): string[] =>
  Object.keys(headers).filter((name) => name.startsWith('access-control'));

describe('a page of an allowed origin', () => {
  test.each(PATHS)('may send a request with a key to %s', async (path) => {
    const { status, headers, body } = await preflight(server.url, path, APP);
    expect([status, body, headers['access-control-allow-origin'], headers.vary]).toEqual([204, '', APP, 'origin']);
    expect(headers['access-control-allow-headers']).toContain('authorization');
    expect(headers['access-control-allow-methods']).toContain('PUT');
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  });

  test('reads what it is answered, errors too', async () => {
    const headers = fromPage(APP);
    const good = await ask(server.url, QUERY, { headers: { ...headers, authorization: `Bearer ${key.text}` } });
    expect([good.status, good.headers['access-control-allow-origin']]).toEqual([200, APP]);
    expect(JSON.parse(good.body)).toMatchObject({ data: { engine: {} } });
    const bad = await ask(server.url, QUERY, { headers });
    expect([bad.status, bad.headers['access-control-allow-origin']]).toEqual([401, APP]);
    expect(bad.headers['access-control-expose-headers']).toContain('retry-after');
  });

  test('opens a WebSocket', async () => {
    const socket = new WebSocket(server.url.replace(/^http/, 'ws'), 'graphql-transport-ws', { origin: APP });
    await once(socket, 'open');
    socket.terminate();
  });
});

describe.each(OTHERS)('a page of %s', (origin) => {
  test('is told nothing that would let it in', async () => {
    for (const path of PATHS) expect(corsHeaders(await preflight(server.url, path, origin))).toEqual([]);
    const headers = { ...fromPage(origin), authorization: `Bearer ${key.text}` };
    const answer = await ask(server.url, QUERY, { headers });
    expect([answer.status, corsHeaders(answer), answer.headers.vary]).toEqual([400, [], 'origin']);
  });

  test('opens no WebSocket', async () => {
    const socket = new WebSocket(server.url.replace(/^http/, 'ws'), 'graphql-transport-ws', { origin });
    await expect(once(socket, 'open')).rejects.toThrow('401');
  });
});

test('nobody is let in unless the setting says so', async () => {
  await using plain = await openKeyedServer();
  const asked = await preflight(plain.url, '/graphql', APP);
  expect([asked.status, corsHeaders(asked)]).toEqual([400, []]);
  expect((await ask(plain.url, QUERY)).headers).not.toHaveProperty('vary', 'origin');
});
