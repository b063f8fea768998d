/**
 * From a frame that a camera sends to its estimate at a subscriber: 640x360, 5 frames a second, one face, H.264 over RTMP, a
 * server of its own in this process, a graphql-ws client. A frame counts as sent when its last byte passes a relay between
 * camera and server, so that the camera's own encoder, which is ffmpeg as well, has no part in it. Every tenth frame shows
 * no face and the one after it is the largest to encode, so that it is certain which estimate is whose.
 *
 *     npx tsx bench/live-latency.ts [--seconds 30]
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { loadConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { startServer } from '../src/start-server.ts';
import { freePort, Running } from '../test/faults/fixtures/sources.ts';
import { percentile } from './percentile.ts';

interface Seen {
  readonly ptsSeconds: number;
  readonly capturedAtMs: number;
  readonly receivedAtMs: number;
  readonly hasFace: boolean;
  readonly skippedBefore: number;
}

const FRAMES_PER_SECOND = 5;
/** Until the first estimates have come and everything is warm. */
const WARM_UP_FRAMES = 15;
const CYCLE = 10;
/** Between two frames lie 200 ms; the parts of one follow each other at once. */
const BURST_GAP_MS = 60;
const PHOTOGRAPH = fileURLToPath(new URL('../node_modules/@vladmandic/face-api/demo/sample1.jpg', import.meta.url));

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '30' } } });
const wanted = Number(values.seconds) * FRAMES_PER_SECOND + WARM_UP_FRAMES;

const folder = await mkdtemp(join(tmpdir(), 'circumplex-live-latency-'));
try {
  const cycle = await makeCycle();
  const config = loadConfig({
    environment: { ...process.env, ALLOWED_HOSTS: '127.0.0.1', PORT: '0', DATA_DIR: join(folder, 'data') },
  });
  await using server = await startServer(config, { log: createLog({ level: 'warn' }) });
  await using camera = await startCamera(cycle);
  const seen = await watch(server.url, camera.url);
  report(seen, camera.bursts);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Raw frames of a part of a photograph with one face, the camera moving a little, and one grey frame. */
async function makeCycle(): Promise<string> {
  const path = join(folder, 'cycle.yuv');
  const part = `crop=640:360:x='1250+8*sin(n)':y='160+4*cos(n)',format=yuv420p,drawbox=t=fill:color=gray:enable='eq(n,0)'`;
  const input = ['-nostdin', '-v', 'error', '-y', '-loop', '1', '-i', PHOTOGRAPH];
  await promisify(execFile)('ffmpeg', [...input, '-vf', part, '-frames:v', String(CYCLE), '-f', 'rawvideo', path]);
  return path;
}

/** A frame on the wire: when its last byte passed, and its size. */
interface Burst {
  atMs: number;
  bytes: number;
}

/** An RTMP camera over the cycle, behind a relay that notes each frame. */
async function startCamera(
  cycle: string,
): Promise<AsyncDisposable & { readonly url: string; readonly bursts: Burst[] }> {
  const port = await freePort();
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', '640x360', '-framerate', String(FRAMES_PER_SECOND)];
  const encode = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', String(CYCLE), '-f', 'flv'];
  const camera = new Running('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-re', '-stream_loop', '-1', ...raw, '-i', cycle],
    ...[...encode, '-listen', '1', `rtmp://127.0.0.1:${port}/live/camera`],
  ]);
  const bursts: Burst[] = [];
  const relay = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    upstream.on('data', (chunk: Buffer) => {
      const [now, last] = [Date.now(), bursts.at(-1)];
      if (last !== undefined && now - last.atMs < BURST_GAP_MS) {
        last.atMs = now;
        last.bytes += chunk.length;
      } else {
        bursts.push({ atMs: now, bytes: chunk.length });
      }
      client.write(chunk);
    });
    client.on('data', (chunk: Buffer) => upstream.write(chunk));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.setNoDelay();
      one.on('error', () => undefined).once('close', () => other.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port: relayPort } = relay.address() as AddressInfo;
  return {
    url: `rtmp://127.0.0.1:${relayPort}/live/camera`,
    bursts,
    async [Symbol.asyncDispose]() {
      relay.close();
      await camera[Symbol.asyncDispose]();
    },
  };
}

async function watch(url: string, address: string): Promise<Seen[]> {
  const client = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket });
  const open = 'mutation ($url: String!) { openStream(input: { url: $url, framesPerSecond: 25 }) { id } }';
  const [{ data }] = await collect<{ openStream: { id: string } }>(open, { url: address }, 1);
  const frames = `subscription ($id: ID!) { frames(streamId: $id) { ptsSeconds capturedAt skippedBefore faces { affect { valence } } } }`;
  const got = await collect<{
    frames: { ptsSeconds: number; capturedAt: string; skippedBefore: number; faces: unknown[] };
  }>(frames, { id: data!.openStream.id }, wanted);
  await client.dispose();
  return got.map(({ data: one, atMs }) => {
    const { ptsSeconds, capturedAt, skippedBefore, faces } = one!.frames;
    const hasFace = faces.length > 0;
    return { ptsSeconds, capturedAtMs: Date.parse(capturedAt), receivedAtMs: atMs, hasFace, skippedBefore };
  });

  async function collect<T extends Record<string, unknown>>(
    query: string,
    variables: Record<string, unknown>,
    count: number,
  ) {
    const results: { data: T | null | undefined; atMs: number }[] = [];
    for await (const { data: one, errors } of client.iterate<T>({ query, variables })) {
      if (errors !== undefined) throw new Error(JSON.stringify(errors));
      results.push({ data: one, atMs: Date.now() });
      if (results.length >= count) break;
    }
    return results as [(typeof results)[number], ...typeof results];
  }
}

function report(seen: readonly Seen[], bursts: readonly Burst[]): void {
  const counted = seen.slice(WARM_UP_FRAMES);
  // A frame without a face is followed by the largest of its cycle; the same must be so on the wire.
  const origin = counted.findIndex(({ hasFace }) => !hasFace);
  const first = counted[origin];
  if (first === undefined) throw new Error('No frame without a face came: nothing can be measured.');
  const candidate = bursts.findLastIndex(({ atMs }) => atMs <= first.capturedAtMs);
  const near = [candidate, candidate - 1].find((index) => isLargest(bursts, index + 1));
  if (near === undefined) throw new Error('The frames on the wire cannot be told apart.');
  const times = counted.map((frame) => {
    const index = near + Math.round((frame.ptsSeconds - first.ptsSeconds) * FRAMES_PER_SECOND);
    const sentMs = bursts[index]?.atMs ?? Number.NaN;
    return { wholeMs: frame.receivedAtMs - sentMs, ffmpegMs: frame.capturedAtMs - sentMs };
  });
  console.log(`live_latency_frames ${counted.length}`);
  console.log(`live_latency_skipped ${counted.reduce((sum, { skippedBefore }) => sum + skippedBefore, 0)}`);
  const shares = {
    '': times.map(({ wholeMs }) => wholeMs),
    ffmpeg_: times.map(({ ffmpegMs }) => ffmpegMs),
    circumplex_: times.map(({ wholeMs, ffmpegMs }) => wholeMs - ffmpegMs),
  };
  for (const [name, numbers] of Object.entries(shares)) {
    console.log(`live_latency_${name}p50_ms ${percentile(numbers, 0.5)}`);
    console.log(`live_latency_${name}p95_ms ${percentile(numbers, 0.95)}`);
  }
}

function isLargest(bursts: readonly Burst[], index: number): boolean {
  const around = bursts.slice(Math.max(0, index - 4), index + 5).map(({ bytes }) => bytes);
  return bursts[index]?.bytes === Math.max(...around);
}
