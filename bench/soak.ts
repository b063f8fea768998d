/**
 * Whether a server stays as it is: 4 live streams and 20 subscribers for a while, its memory, descriptors, processes and
 * event loop sampled. The server is a process of its own; cameras, subscribers and this script are not counted.
 *
 *     npm run bench:soak -- --minutes 32 --warm-up-minutes 16
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ClosingStack } from '../src/flow/index.ts';
import { ServerProcess } from '../test/faults/fixtures/server-process.ts';
import { type Family, sampleOf } from '../test/support/prometheus.ts';
import { openLive, type WatchedFrame, watchLive } from './live-watch.ts';
import { LoopedCamera, makeClip } from './looped-camera.ts';
import { slopeOf } from './slope.ts';

const STREAMS = 4;
const SUBSCRIBERS_A_STREAM = 5;
const SAMPLE_EVERY_MS = 10_000;
const MEBIBYTE = 1024 * 1024;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '20' }, 'warm-up-minutes': { type: 'string', default: '5' } },
});
const minutes = Number(values.minutes);
/**
 * Code is compiled and buffers grow to their size meanwhile; it does not count. The database's page cache takes longest:
 * its 16 MiB fill as the database grows.
 */
const warmUpMinutes = Number(values['warm-up-minutes']);
if (!(minutes > 0 && warmUpMinutes >= 0 && warmUpMinutes < minutes)) {
  throw new Error('--minutes must be above 0, and --warm-up-minutes below them');
}

interface Sample {
  readonly minute: number;
  readonly rssMegabytes: number;
  readonly heapMegabytes: number;
  readonly externalMegabytes: number;
  readonly fileDescriptors: number;
  readonly children: number;
  /** Since the sample before. */
  readonly loopDelayMs: number;
}

const counts = { frames: 0, faces: 0, skipped: 0, dropped: 0, gaps: 0 };

/** Counts what one subscriber is told. */
function counter(): (frame: WatchedFrame) => void {
  let expected: number | null = null;
  return ({ sequence, faces, skippedBefore, droppedBefore }) => {
    counts.frames += 1;
    counts.faces += faces;
    counts.skipped += skippedBefore;
    counts.dropped += droppedBefore;
    if (expected !== null && sequence !== expected + droppedBefore) counts.gaps += 1;
    expected = sequence + 1;
  };
}

class Sampler {
  readonly #server: ServerProcess;
  readonly #beganAtMs = performance.now();
  #delay = { seconds: 0, ticks: 0 };

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  async sample(): Promise<Sample> {
    const metrics = await this.#server.metrics();
    const delay = {
      seconds: read(metrics, 'circumplex_event_loop_delay_seconds_sum'),
      ticks: read(metrics, 'circumplex_event_loop_delay_seconds_count'),
    };
    const [seconds, ticks] = [delay.seconds - this.#delay.seconds, delay.ticks - this.#delay.ticks];
    this.#delay = delay;
    const memory = (kind: string): number => read(metrics, 'circumplex_memory_bytes', { kind }) / MEBIBYTE;
    return {
      minute: (performance.now() - this.#beganAtMs) / 60_000,
      rssMegabytes: memory('rss'),
      heapMegabytes: memory('heap_used'),
      externalMegabytes: memory('external'),
      fileDescriptors: read(metrics, 'circumplex_open_file_descriptors'),
      children: (await this.#server.children()).length,
      loopDelayMs: (seconds / ticks) * 1000,
    };
  }
}

function read(metrics: ReadonlyMap<string, Family>, name: string, labels: Record<string, string> = {}): number {
  return sampleOf(metrics, name, labels) ?? Number.NaN;
}

const COLUMNS = [
  ['rss_megabytes', ({ rssMegabytes }) => rssMegabytes],
  ['heap_megabytes', ({ heapMegabytes }) => heapMegabytes],
  ['external_megabytes', ({ externalMegabytes }) => externalMegabytes],
  ['file_descriptors', ({ fileDescriptors }) => fileDescriptors],
  ['child_processes', ({ children }) => children],
  ['loop_delay_ms', ({ loopDelayMs }) => loopDelayMs],
] as const satisfies readonly (readonly [string, (sample: Sample) => number])[];

async function heldMegabytes(server: ServerProcess): Promise<number> {
  const { heapUsed, external } = await server.do('memory', null);
  return (heapUsed + external) / MEBIBYTE;
}

const folder = await mkdtemp(join(tmpdir(), 'circumplex-soak-'));
try {
  await soak();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function soak(): Promise<void> {
  const clip = join(folder, 'clip.mp4');
  await makeClip(clip);
  await using parts = new ClosingStack();
  const server = parts.own(
    await ServerProcess.start(join(folder, 'data'), { WORKERS: String(availableParallelism()), LOG_LEVEL: 'error' }),
  );
  const ids: string[] = [];
  for (let stream = 0; stream < STREAMS; stream += 1) {
    const camera = parts.own(await LoopedCamera.start(clip));
    ids.push(await openLive(server, camera.url));
  }
  for (const id of ids) {
    for (let each = 0; each < SUBSCRIBERS_A_STREAM; each += 1) {
      parts.own(watchLive(server, id, counter()));
    }
  }

  const sampler = new Sampler(server);
  const samples: Sample[] = [];
  let heldBefore: number | null = null;
  for (let sample = await sampler.sample(); sample.minute < minutes; sample = await sampler.sample()) {
    samples.push(sample);
    const figures = COLUMNS.map(([name, of]) => `${name} ${of(sample).toFixed(2)}`).join(' ');
    console.log(`soak_sample minute ${sample.minute.toFixed(2)} ${figures} frames ${counts.frames}`);
    if (sample.minute >= warmUpMinutes) heldBefore ??= await heldMegabytes(server);
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY_MS));
  }

  const warm = samples.filter(({ minute }) => minute >= warmUpMinutes);
  for (const [name, of] of COLUMNS) {
    const { perUnit, standardError } = slopeOf(warm.map((sample) => [sample.minute, of(sample)] as const));
    console.log(`soak_${name}_first ${of(warm[0]!).toFixed(2)}`);
    console.log(`soak_${name}_last ${of(warm.at(-1)!).toFixed(2)}`);
    console.log(`soak_${name}_per_minute ${perUnit.toFixed(3)}`);
    console.log(`soak_${name}_per_minute_standard_error ${standardError.toFixed(3)}`);
  }
  console.log(`soak_held_megabytes_first ${heldBefore?.toFixed(2)}`);
  console.log(`soak_held_megabytes_last ${(await heldMegabytes(server)).toFixed(2)}`);
  console.log(`soak_minutes ${minutes}`);
  console.log(`soak_warm_up_minutes ${warmUpMinutes}`);
  for (const [name, count] of Object.entries(counts)) console.log(`soak_${name} ${count}`);
  const query = 'query ($id: ID!) { stream(id: $id) { status connection { reconnects } } }';
  const streams = await Promise.all(ids.map(async (id) => (await server.query(query, { id })).data.stream));
  console.log(`soak_streams_running ${streams.filter(({ status }) => status === 'RUNNING').length}`);
  console.log(`soak_reconnects ${streams.reduce((sum, { connection }) => sum + connection.reconnects, 0)}`);
  server.kill('SIGTERM');
  console.log(`soak_exit_code ${(await server.exited).code}`);
  if (server.log !== '') console.log(server.log);
}
