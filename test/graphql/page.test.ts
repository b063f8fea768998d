import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPage } from '../../src/graphql/page.ts';
import { start } from '../cli/support.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import { type KeyedServer, openKeyedServer } from '../support/keyed-server.ts';
import { parseMetrics, sampleOf } from '../support/prometheus.ts';
import { openServer, type TestServer } from '../support/server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILT = join(ROOT, 'web/dist');

let server: TestServer;
let assets: string[];
let script: string;
beforeAll(async () => {
  server = await openServer();
  assets = (await readdir(join(BUILT, 'assets'))).map((name) => `/assets/${name}`);
  script = assets.find((path) => path.endsWith('.js'))!;
});
afterAll(() => server[Symbol.asyncDispose]());

interface Sent {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** As it is written: `fetch` would tidy the path, ask for gzip and unpack what comes. */
function ask(
  path: string,
  { method = 'GET', url = server.url, ...headers }: Record<string, string> & { method?: string; url?: string } = {},
): Promise<Sent> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, method, headers }, (response) => {
      const { statusCode: status = 0 } = response;
      buffer(response).then((body) => resolve({ status, headers: response.headers, body }), reject);
    })
      .once('error', reject)
      .end();
  });
}

function errorOf({ body }: Sent): { readonly code: string; readonly message: string } {
  return JSON.parse(body.toString()).error;
}

describe('the page', () => {
  test('comes as it was built, each file with its type', async () => {
    const page = await ask('/?stream=1');
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.body).toEqual(await readFile(join(BUILT, 'index.html')));
    const types: Record<string, string> = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' };
    for (const path of assets) {
      const asset = await ask(path);
      expect([path, asset.status]).toEqual([path, 200]);
      expect(asset.headers['content-type']).toBe(types[path.split('.').at(-1)!]);
      expect(asset.body).toEqual(await readFile(join(BUILT, path)));
    }
    expect((await ask('/icon.svg')).headers['content-type']).toBe('image/svg+xml');
  });

  test('may run its own files, talk to its own server and use the camera, and nothing else', async () => {
    const { headers } = await ask('/');
    const policy = headers['content-security-policy'] as string;
    expect(Object.fromEntries(policy.split('; ').map((rule) => [rule.split(' ')[0], rule]))).toEqual({
      'default-src': "default-src 'none'",
      'script-src': "script-src 'self'",
      'style-src': "style-src 'self'",
      'img-src': "img-src 'self' blob: data:",
      'media-src': "media-src 'self' blob:",
      'connect-src': "connect-src 'self'",
      'frame-ancestors': "frame-ancestors 'none'",
      'base-uri': "base-uri 'none'",
      'form-action': "form-action 'none'",
    });
    expect(headers).toMatchObject({
      'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
  });

  test('is asked for again each time, and not sent twice', async () => {
    for (const encoding of ['identity', 'gzip']) {
      const { headers } = await ask('/', { 'accept-encoding': encoding });
      expect(headers['cache-control']).toBe('no-cache');
      const etag = headers.etag as string;
      expect(etag).toMatch(/^"/);
      for (const held of [etag, `"other", ${etag}`, `W/${etag}`, '*']) {
        const again = await ask('/', { 'accept-encoding': encoding, 'if-none-match': held });
        expect([again.status, again.headers.etag, again.body.byteLength]).toEqual([304, etag, 0]);
      }
      expect((await ask('/', { 'accept-encoding': encoding, 'if-none-match': '"other"' })).status).toBe(200);
    }
  });

  test('has assets that are kept for a year', async () => {
    for (const path of assets) {
      expect((await ask(path)).headers['cache-control']).toBe('public, max-age=31536000, immutable');
    }
  });

  test.each([
    ['gzip, deflate, br', true],
    ['br;q=1.0, GZIP;q=0.5', true],
    ['*', true],
    ['gzip;q=0', false],
    ['gzip;q=0, *', false],
    ['br', false],
    ['', false],
  ])('is compressed for who accepts %j: %s', async (accepted, compressed) => {
    const plain = await readFile(join(BUILT, script));
    const { headers, body } = await ask(script, { 'accept-encoding': accepted });
    expect(headers.vary).toBe('accept-encoding');
    expect(headers['content-encoding']).toBe(compressed ? 'gzip' : undefined);
    expect(Number(headers['content-length'])).toBe(body.byteLength);
    if (compressed) expect(body.byteLength).toBeLessThan(plain.byteLength / 2);
    expect(compressed ? gunzipSync(body) : body).toEqual(plain);
  });

  test('has another etag for each encoding, as its bytes are others', async () => {
    const [plain, gzipped] = [await ask(script), await ask(script, { 'accept-encoding': 'gzip' })];
    expect(plain.headers.etag).not.toBe(gzipped.headers.etag);
  });

  test('answers HEAD with the headers of GET alone', async () => {
    for (const path of ['/', '/icon.svg', script]) {
      const [head, get] = [await ask(path, { method: 'HEAD' }), await ask(path)];
      const { date: _, ...headers } = head.headers;
      expect(get).toMatchObject({ status: head.status, headers });
      expect(head.body.byteLength).toBe(0);
    }
  });

  test('is only read', async () => {
    for (const path of ['/', '/icon.svg', script]) {
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
        const refused = await ask(path, { method });
        expect([refused.status, refused.headers.allow]).toEqual([400, 'GET, HEAD']);
        expect(errorOf(refused).code).toBe('BAD_INPUT');
      }
    }
  });

  test('has no other files', async () => {
    for (const path of [
      ...['/index.html', '/assets', '/assets/', '/assets/none.js', '//', '/web/dist/index.html', '/package.json'],
      ...[
        '/assets/../../package.json',
        '/assets/../index.html',
        '/../package.json',
        '/./',
        '/assets/./../../../.npmrc',
      ],
      ...['/assets/%2e%2e/%2e%2e/package.json', '/%2e%2e/package.json', '/assets/..%2f..%2fpackage.json'],
      ...['/assets/..\\..\\package.json', '/assets/%00', `${script}%00`, `${script}/`, `${script}/..`, '/icon.svg/'],
      ...['/assets/constructor', '/__proto__', '/assets/%ZZ'],
    ]) {
      const refused = await ask(path);
      expect([path, refused.status, errorOf(refused).code]).toEqual([path, 404, 'NOT_FOUND']);
    }
    expect(errorOf(await ask('/elsewhere')).message).toContain('the page is at /');
    expect(errorOf(await ask('/assets/none.js')).message).toContain('reload');
  });

  test('is for this machine, and may be opened by a link but not used by a page of another site', async () => {
    const foreign = { 'sec-fetch-site': 'cross-site' };
    expect((await ask('/', { host: 'rebound.example' })).status).toBe(400);
    expect((await ask(script, { ...foreign, 'sec-fetch-mode': 'no-cors' })).status).toBe(400);
    expect((await ask('/', { ...foreign, 'sec-fetch-mode': 'navigate' })).status).toBe(200);
  });

  test('is counted', async () => {
    const count = async () =>
      sampleOf(parseMetrics((await ask('/metrics')).body.toString()), 'circumplex_requests_total', { kind: 'page' })!;
    const before = await count();
    for (const path of ['/', script]) await ask(path);
    expect(await count()).toBe(before + 2);
  });
});

describe('the page of a server with keys', () => {
  let keyed: KeyedServer;
  beforeAll(async () => {
    keyed = await openKeyedServer({}, { before: ({ makeKey }) => makeKey(['read']) });
  });
  afterAll(() => keyed[Symbol.asyncDispose]());

  test('comes without a key and with a wrong one', async () => {
    for (const path of ['/', '/icon.svg', script]) {
      expect((await ask(path, { url: keyed.url })).status).toBe(200);
      expect((await ask(path, { url: keyed.url, authorization: 'Bearer wrong' })).status).toBe(200);
    }
    expect((await ask('/assets/none.js', { url: keyed.url })).status).toBe(404);
  });

  test('opens nothing else', async () => {
    const nobody = keyed.as(null);
    expect((await nobody.post('{ engine { name } }')).status).toBe(401);
    expect((await nobody.putMedia(Buffer.from('x'))).status).toBe(401);
    for (const path of ['/metrics', '/streams/x/export', '/elsewhere', '/index.html']) {
      expect([path, (await ask(path, { url: keyed.url })).status]).toEqual([path, 401]);
    }
  });

  test('says to a cache of an allowed page of another site what its answer depends on', async () => {
    await using own = await openServer({ CORS_ORIGINS: 'https://app.example' });
    expect((await ask('/', { url: own.url })).headers.vary).toBe('origin, accept-encoding');
  });
});

describe('a page that is not there', () => {
  test('is told with how to build it, and the rest of the program works', async () => {
    await using folder = await temporaryFolder();
    for (const part of ['src', 'bin']) await cp(join(ROOT, part), join(folder.path, part), { recursive: true });
    for (const part of ['schema.graphql', 'package.json', 'models', 'prisma', 'node_modules']) {
      await symlink(join(ROOT, part), join(folder.path, part));
    }
    const settings = { PORT: '0', DATA_DIR: join(folder.path, 'data') };
    const { child, exited } = start(['serve'], settings, join(folder.path, 'bin/circumplex.js'));
    try {
      const [line] = await once(child.stdout, 'data');
      const url = /ready at (\S+)/.exec(String(line))![1]!;
      const refused = await ask('/', { url });
      expect(refused.status).toBe(404);
      expect(errorOf(refused).message).toContain('node scripts/setup.mjs');
      expect((await ask('/healthz', { url })).status).toBe(200);
      expect((await ask('/graphql?query={engine{name}}', { url })).status).toBe(200);
    } finally {
      child.kill('SIGTERM');
    }
    expect(await exited).toEqual({ code: 0, signal: null });
  });

  test.each([
    ['an asset that is too large', 'assets/large.js', 'x'.repeat(4 * 1024 * 1024)],
    ['no index.html', 'other.html', ''],
  ])('because of %s is told to the operator', async (reason, name, text) => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'assets'));
    if (reason !== 'no index.html') await writeFile(join(folder.path, 'index.html'), '<!doctype html>');
    await writeFile(join(folder.path, name), text);
    const lines: string[] = [];
    const page = await openPage({ log: pino({}, { write: (line) => lines.push(line) }), folder: folder.path });
    expect(page.has('/')).toBe(true);
    expect(page.has(`/${name}`)).toBe(name.startsWith('assets/'));
    expect(lines).toEqual([expect.stringContaining('left out')]);
  });
});
