import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeVideo, photograph, temporaryFolder } from '../pipeline/support.ts';
import { openKeyedServer } from '../support/keyed-server.ts';
import { openServer, type TestServer } from '../support/server.ts';

const FRAMES = 40;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: TestServer;
let video: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  video = await makeVideo(join(folder.path, 'video.mp4'), { frames: FRAMES });
  server = await openServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function run(program: string, argv: readonly string[], environment: Record<string, string> = {}) {
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(program, argv, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { stdout, stderr, code };
}

/** A bad line to the server: the first two subscriptions over it are cut after some answer has come. */
async function openBadLine(): Promise<AsyncDisposable & { readonly origin: string; readonly cuts: () => number }> {
  let cuts = 0;
  const { port } = new URL(server.url);
  const sockets = new Set<Socket>();
  const line: Server = createServer((near) => {
    const far = connect(Number(port), '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.on('error', () => undefined));
    let subscribed = false;
    let answered = 0;
    near.on('data', (bytes) => {
      subscribed ||= /upgrade: websocket|accept: text\/event-stream/i.test(String(bytes));
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      if (subscribed) answered += bytes.length;
      if (cuts >= 2 || answered < 3000) return near.write(bytes);
      cuts += 1;
      // Somewhere inside of what has come.
      near.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => near.destroy());
      far.destroy();
    });
    near.on('close', () => far.destroy());
    far.on('close', () => near.end());
  }).listen(0, '127.0.0.1');
  await once(line, 'listening');
  return {
    origin: `http://127.0.0.1:${(line.address() as AddressInfo).port}`,
    cuts: () => cuts,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      line.close();
      await once(line, 'close');
    },
  };
}

test('examples/subscribe.ts prints every frame once over a line that is cut again and again', async () => {
  await using line = await openBadLine();
  const { stdout, code } = await run(process.execPath, [
    '--import',
    'tsx',
    'examples/subscribe.ts',
    video,
    line.origin,
  ]);
  expect(code).toBe(0);
  expect(line.cuts()).toBe(2);
  const sequences = stdout
    .trimEnd()
    .split('\n')
    .map((row) => Number(row.split(' ')[0]));
  expect(sequences).toEqual(Array.from({ length: FRAMES }, (_, index) => index));
});

test('examples/subscribe.ts ends with what the server refuses', async () => {
  const { stderr, code } = await run(process.execPath, [
    '--import',
    'tsx',
    'examples/subscribe.ts',
    'none',
    server.url,
  ]);
  expect(code).toBe(1);
  expect(stderr).toContain('There is no stream "none".');
});

test('examples/subscribe.ts says what it needs where the address is none', async () => {
  const { stderr, code } = await run(process.execPath, [
    '--import',
    'tsx',
    'examples/subscribe.ts',
    video,
    'localhost:4000',
  ]);
  expect([code, stderr]).toEqual([2, 'Usage: npx tsx examples/subscribe.ts VIDEO_OR_STREAM_ID [http://HOST:PORT]\n']);
});

if (spawnSync('curl', ['--version']).status === 0) {
  test('examples/curl.sh goes through pictures, videos, frames, history and erasure', async () => {
    const { stdout, stderr, code } = await run('sh', [
      'examples/curl.sh',
      photograph(3),
      video,
      new URL(server.url).origin,
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain('"errors"');
    expect(stdout).toContain('"analyzeImage":{"results":[{"name":"sample3.jpg","error":null');
    expect(stdout.match(/^event: next$/gm)).toHaveLength(8);
    expect(stdout).toContain('"status":"COMPLETED","progress":{"framesDone":8');
    expect(stdout).toMatch(/"deleteStream":\{"id":"[^"]+","frames":8/);
  });
} else console.log('examples/curl.sh is not run: there is no curl.');

if (spawnSync('python3', ['--version']).status === 0) {
  test('examples/subscribe.py prints every face once over a line that is cut again and again', async () => {
    await using line = await openBadLine();
    const { stdout, code } = await run('python3', ['examples/subscribe.py', video, line.origin]);
    expect(code).toBe(0);
    expect(line.cuts()).toBe(2);
    const [header, ...rows] = stdout.trimEnd().split('\n');
    expect(header).toBe('pts_seconds,track,score,valence,arousal,valence_smoothed,arousal_smoothed,uncertainty');
    const places = rows.map((row) => row.split(',').slice(0, 2).join());
    expect(new Set(places).size).toBe(places.length);
    const { data } = await server.query('{ streams(first: 1) { nodes { progress { framesDone facesFound } } } }');
    expect(data.streams.nodes[0].progress).toEqual({ framesDone: FRAMES, facesFound: rows.length });
  });
} else console.log('examples/subscribe.py is not run: there is no python3.');

test('the examples come with the key of the environment, and end where it is wrong', async () => {
  await using keyed = await openKeyedServer();
  const key = await keyed.makeKey(['read', 'write']);
  while ((await keyed.as(null).post('{ engine { name } }')).status !== 401);
  const { origin } = new URL(keyed.url);
  const typescript = (source: string): string[] => ['--import', 'tsx', 'examples/subscribe.ts', source, origin];
  const programs: [string, string[]][] = [
    [process.execPath, typescript(video)],
    ['python3', ['examples/subscribe.py', video, origin]],
    ['sh', ['examples/curl.sh', photograph(3), video, origin]],
  ];
  for (const [program, argv] of programs) {
    if (spawnSync(program === 'sh' ? 'curl' : program, ['--version']).status !== 0) continue;
    const { code, stdout } = await run(program, argv, { CIRCUMPLEX_KEY: key.text });
    expect([argv[0], code]).toEqual([argv[0], 0]);
    expect(stdout).not.toMatch(/"errors?":\s*[[{]/);
  }
  for (const source of [video, 'a-stream']) {
    const { code, stderr } = await run(process.execPath, typescript(source), { CIRCUMPLEX_KEY: `${key.text}0` });
    expect([code, stderr]).toEqual([1, 'The key is no key of this server, or it has been revoked.\n']);
  }
});
