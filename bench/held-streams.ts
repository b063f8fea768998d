/**
 * How many live streams (640x360, 5 frames a second, one face each) a server holds on this machine: one step after the
 * other opens more of them, until frames come late or are left out. The server is a process of its own; the cameras only
 * send what was encoded before, and one subscriber a stream sees what comes.
 *
 *     npm run bench:held-streams -- [--steps 1,2,4,8,12,16] [--seconds 30]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ClosingStack } from '../src/flow/index.ts';
import { ServerProcess } from '../test/faults/fixtures/server-process.ts';
import { openLive, type WatchedFrame, watchLive } from './live-watch.ts';
import { FRAMES_PER_SECOND, LoopedCamera, makeClip } from './looped-camera.ts';
import { percentile } from './percentile.ts';

/** A stream counts as held while its estimates come within this, and hardly a frame is left out. */
const P95_LIMIT_MS = 1000;
const SKIPPED_LIMIT_SHARE = 0.01;
/** After streams were opened, until they run evenly. */
const SETTLE_MS = 8000;

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '1,2,4,6,8,10,12,16,20,24,32' },
    seconds: { type: 'string', default: '30' },
  },
});
const steps = values.steps.split(',').map(Number);
const seconds = Number(values.seconds);
if (!steps.every((step) => step > 0) || !(seconds > 0))
  throw new Error('--steps and --seconds must be numbers above 0');

const folder = await mkdtemp(join(tmpdir(), 'circumplex-held-'));
try {
  console.log(`held_streams ${await run()}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function run(): Promise<number> {
  const clip = join(folder, 'clip.mp4');
  await makeClip(clip);
  await using parts = new ClosingStack();
  const server = parts.own(
    await ServerProcess.start(join(folder, 'data'), {
      WORKERS: String(availableParallelism()),
      LOG_LEVEL: 'error',
      MAX_LIVE_STREAMS: '1000',
    }),
  );
  const streams: WatchedFrame[][] = [];
  let held = 0;
  for (const count of steps) {
    while (streams.length < count) {
      const camera = parts.own(await LoopedCamera.start(clip));
      const frames: WatchedFrame[] = [];
      parts.own(watchLive(server, await openLive(server, camera.url), (frame) => frames.push(frame)));
      streams.push(frames);
    }
    await pause(SETTLE_MS);
    const cpuBefore = await cpuSeconds(server);
    const from = streams.map((frames) => frames.length);
    const beganAtMs = performance.now();
    await pause(seconds * 1000);
    const tookSeconds = (performance.now() - beganAtMs) / 1000;
    const cores = ((await cpuSeconds(server)) - cpuBefore) / tookSeconds;
    if (!report({ count, tookSeconds, cores }, streams, from)) return held;
    held = count;
  }
  return held;
}

interface Step {
  readonly count: number;
  readonly tookSeconds: number;
  /** Of the server's own process, without ffmpeg. */
  readonly cores: number;
}

/** Prints a step, and tells whether the streams were held. */
function report(step: Step, streams: readonly WatchedFrame[][], from: readonly number[]): boolean {
  const seen = streams.map((frames, index) => frames.slice(from[index]));
  const lateMs = seen.flatMap((frames, index) => {
    // Whatever delays a frame counts, before the server has it too: against the quickest frame of the stream.
    const quickestMs = Math.min(
      ...streams[index]!.map(({ capturedAtMs, ptsSeconds }) => capturedAtMs - ptsSeconds * 1000),
    );
    return frames.map(({ receivedAtMs, ptsSeconds }) => receivedAtMs - ptsSeconds * 1000 - quickestMs);
  });
  const all = seen.flat();
  const skipped = all.reduce((sum, { skippedBefore }) => sum + skippedBefore, 0);
  const skippedShare = skipped / (all.length + skipped);
  const name = `held_streams_${step.count}`;
  console.log(`${name}_frames_per_second ${(all.length / step.tookSeconds).toFixed(2)}`);
  console.log(`${name}_share_of_sent ${(all.length / (step.tookSeconds * step.count * FRAMES_PER_SECOND)).toFixed(3)}`);
  console.log(`${name}_faces_a_frame ${(all.reduce((sum, { faces }) => sum + faces, 0) / all.length).toFixed(2)}`);
  console.log(`${name}_p50_ms ${Math.round(percentile(lateMs, 0.5))}`);
  console.log(`${name}_p95_ms ${Math.round(percentile(lateMs, 0.95))}`);
  console.log(`${name}_skipped_share ${skippedShare.toFixed(4)}`);
  console.log(`${name}_server_cores ${step.cores.toFixed(2)}`);
  return (
    seen.every((frames) => frames.length > 0) &&
    percentile(lateMs, 0.95) < P95_LIMIT_MS &&
    skippedShare < SKIPPED_LIMIT_SHARE
  );
}

async function cpuSeconds(server: ServerProcess): Promise<number> {
  const [user, system] = await Promise.all([
    server.metric('circumplex_cpu_seconds_total', { mode: 'user' }),
    server.metric('circumplex_cpu_seconds_total', { mode: 'system' }),
  ]);
  return user + system;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
