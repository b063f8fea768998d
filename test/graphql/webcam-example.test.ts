/** The page examples/webcam.html as far as it goes without a browser: how it is served, and its client, run as it stands. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { photograph } from '../pipeline/support.ts';
import { openKeyedServer } from '../support/keyed-server.ts';
import { openServer, type TestServer } from '../support/server.ts';

interface PageFrame {
  readonly sequence: number;
  readonly cursor: string;
  readonly faces: readonly { readonly expressions: readonly { readonly expression: string }[] }[];
}

interface PageClient {
  openPush(): Promise<string>;
  pushFrame(
    id: string,
    options: { readonly picture: Blob; readonly capturedAt: string; readonly signal: AbortSignal },
  ): Promise<PageFrame>;
  stopStream(id: string): Promise<{ readonly status: string }>;
  stream(
    id: string,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly progress: { readonly framesDone: number } }>;
  frames(
    id: string,
    options: { readonly after: string | null; readonly signal: AbortSignal },
  ): AsyncGenerator<PageFrame, void, undefined>;
}

/** What the first script of the page declares. */
interface PageParts {
  createClient(options: { readonly server: string; readonly key: string }): PageClient;
  createPatience(options: { readonly signal: AbortSignal; readonly tell: (failure: { code: string }) => void }): {
    insist<T>(work: () => Promise<T>): Promise<T>;
  };
}

const SERVE = fileURLToPath(new URL('../../examples/serve.mjs', import.meta.url));

let server: TestServer;
let serving: ChildProcessByStdio<null, Readable, null>;
let address: URL;
let advice: string;
let page: string;
let scripts: string[];
/** Names of all headers that the client has sent. */
const sent = new Set<string>();
beforeAll(async () => {
  serving = spawn(process.execPath, [SERVE, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: serving.stdout })[Symbol.asyncIterator]();
  address = new URL((await lines.next()).value);
  advice = (await lines.next()).value;
  page = await (await fetch(address)).text();
  scripts = [...page.matchAll(/<script[^>]*>\n(.*?)<\/script>/gs)].map(([, script = '']) => script);
  server = await openServer({ CORS_ORIGINS: address.origin, MAX_LIVE_STREAMS: '1' });
});
afterAll(async () => {
  serving.kill();
  await once(serving, 'exit');
  await server[Symbol.asyncDispose]();
});

function pageParts(): PageParts {
  const watched: typeof fetch = (url, init) => {
    for (const name of new Headers(init?.headers).keys()) sent.add(name);
    return fetch(url, init);
  };
  const code = `${scripts[0]}; return { createClient, createPatience };`;
  return compileFunction(code, ['fetch'])(watched) as PageParts;
}

async function picture(number: number): Promise<Blob> {
  return new Blob([new Uint8Array(await readFile(photograph(number)))]);
}

async function ask(url: string | URL, options: { method?: string; headers: Record<string, string> }) {
  const asking = request(url, options).end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

test('serves the page and nothing else, under the one origin that it tells to allow', async () => {
  expect(address.pathname).toBe('/webcam.html');
  expect(advice).toContain(`CORS_ORIGINS=${address.origin} npm start`);
  expect(page).toBe(await readFile(new URL('webcam.html', `file://${SERVE}`), 'utf8'));
  expect((await fetch(new URL('/serve.mjs', address))).status).toBe(404);
  const { status, headers } = await ask(`${address.origin}/?stream=x`, {
    headers: { host: `localhost:${address.port}` },
  });
  expect([status, headers.location]).toEqual([307, `${address.href}?stream=x`]);
});

test('the page loads nothing, and its scripts find all elements that they ask for', () => {
  expect(page).not.toMatch(/\s(src|srcset|action)=|@import|url\(|import\(/);
  expect(page).toContain(`content="default-src 'none'; `);
  expect(scripts).toHaveLength(2);
  compileFunction(scripts[1]!);
  const asked = [...page.matchAll(/\bat\('([\w-]+)'\)/g)].map(([, id]) => id);
  expect(asked.length).toBeGreaterThan(10);
  for (const id of asked) expect(page).toContain(` id="${id}"`);
});

test('its client sends pictures, stops, and follows from the start or from a cursor', async () => {
  const { signal } = new AbortController();
  const client = pageParts().createClient({ server: server.url, key: '' });
  const id = await client.openPush();
  const pushed: PageFrame[] = [];
  for (const number of [1, 3, 1]) {
    const capturedAt = new Date(Date.now() + 100 * pushed.length).toISOString();
    pushed.push(await client.pushFrame(id, { picture: await picture(number), capturedAt, signal }));
  }
  expect(pushed.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
  for (const { expression } of pushed[1]!.faces[0]!.expressions) expect(scripts[1]).toContain(`'${expression}'`);
  expect((await client.stream(id, { signal })).progress.framesDone).toBe(3);

  const following = client.frames(id, { after: null, signal });
  for (const frame of pushed) expect((await following.next()).value).toEqual(frame);
  expect(await client.stopStream(id)).toEqual({ status: 'STOPPED' });
  expect((await following.next()).done).toBe(true);
  const rest: PageFrame[] = [];
  for await (const frame of client.frames(id, { after: pushed[1]!.cursor, signal })) rest.push(frame);
  expect(rest).toEqual(pushed.slice(2));
});

test('its client waits for a place, and throws what does not pass', async () => {
  const { signal } = new AbortController();
  const { createClient, createPatience } = pageParts();
  const client = createClient({ server: new URL(server.url).origin, key: '' });
  const first = await client.openPush();
  const told: string[] = [];
  const patience = createPatience({
    signal,
    tell({ code }) {
      told.push(code);
      void client.stopStream(first);
    },
  });
  await client.stopStream(await patience.insist(() => client.openPush()));
  expect(new Set(told)).toEqual(new Set(['OVERLOADED']));
  await expect(patience.insist(() => client.stopStream('none'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(client.frames('none', { after: null, signal }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const nowhere = createClient({ server: 'http://127.0.0.1:9', key: '' });
  await expect(nowhere.openPush()).rejects.toMatchObject({ code: null, retryable: true });
});

test('its client brings the key, and a browser lets the page send every header that it does', async () => {
  await using keyed = await openKeyedServer();
  const key = await keyed.makeKey(['write']);
  while ((await keyed.as(null).post('{ engine { name } }')).status !== 401);
  const { createClient } = pageParts();
  const { signal } = new AbortController();
  const client = createClient({ server: keyed.url, key: key.text });
  const id = await client.openPush();
  const frame = { picture: await picture(3), capturedAt: new Date().toISOString(), signal };
  expect((await client.pushFrame(id, frame)).faces.length).toBeGreaterThan(0);
  await expect(client.frames(id, { after: null, signal }).next()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  const wrong = createClient({ server: keyed.url, key: `${key.text}0` });
  await expect(wrong.stopStream(id)).rejects.toMatchObject({ code: 'UNAUTHENTICATED', retryable: false });

  const { status, headers } = await ask(server.url, {
    method: 'OPTIONS',
    headers: { origin: address.origin, 'access-control-request-method': 'POST' },
  });
  expect([status, headers['access-control-allow-origin']]).toEqual([204, address.origin]);
  const allowed = headers['access-control-allow-headers']?.split(', ');
  // Browsers ask for no leave to say what they accept.
  expect([...sent].filter((name) => name !== 'accept' && !allowed?.includes(name))).toEqual([]);
  expect(sent).toContain('authorization');
});
