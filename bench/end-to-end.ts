/**
 * The whole product (upload, decoding, detection, tracking, model, smoothing, SQLite) on every frame of a video, beside
 * `@vladmandic/human` with tfjs-wasm, face detection and emotion alone, on frames from the same decoder. Both take turns
 * in one run, so that whatever else the machine does hits both alike. Models are loaded and warm on both sides. The
 * product runs its model in fp32, once with one frame at a time, and in 8 bits.
 *
 *     npx tsx bench/end-to-end.ts [VIDEO] [--rounds 3]        default: the repository's own sample, 640x360
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeSample } from '../scripts/make-sample.ts';
import { loadConfig } from '../src/config.ts';
import { readFrames } from '../src/frames/index.ts';
import { openDecoder, probeMedia } from '../src/ingest/index.ts';
import { createLog } from '../src/log.ts';
import type { Pipeline } from '../src/pipeline/index.ts';
import { type RunningPipeline, startPipeline } from '../src/start-pipeline.ts';
import { openHuman } from './human.ts';
import { percentile } from './percentile.ts';

/** What one pass over the video gave. */
interface Pass {
  readonly frames: number;
  readonly faces: number;
  readonly seconds: number;
  /** One time for each frame, from its pixels to its result. */
  readonly latenciesMs: readonly number[];
}

const EVERY_FRAME = { kind: 'EVERY_FRAME' } as const;
const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '3' } },
  allowPositionals: true,
});

const folder = await mkdtemp(join(tmpdir(), 'circumplex-end-to-end-'));
try {
  const video = positionals[0] ?? (await makeSample(folder)).video;
  await using product = await openProduct('many', {});
  await using oneByOne = await openProduct('one', { FRAMES_IN_FLIGHT: '1' });
  await using int8 = await openProduct('int8', { MODEL: 'models/affect-int8' });
  const human = await openHuman();
  const sides = {
    circumplex: () => productPass(product.pipeline, video),
    circumplex_one_by_one: () => productPass(oneByOne.pipeline, video),
    circumplex_int8: () => productPass(int8.pipeline, video),
    human: () => humanPass(human, video),
  };
  const passes = new Map<string, Pass[]>(Object.keys(sides).map((name) => [name, []]));
  // The first round warms caches and code up; it is not counted.
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    for (const [name, run] of Object.entries(sides)) {
      const pass = await run();
      if (round > 0) passes.get(name)?.push(pass);
    }
  }
  report(passes);
} finally {
  await rm(folder, { recursive: true, force: true });
}

function openProduct(name: string, settings: Readonly<Record<string, string>>): Promise<RunningPipeline> {
  const environment = { ...process.env, ...settings, DATA_DIR: join(folder, name) };
  return startPipeline(loadConfig({ environment }), { log: createLog({ level: 'warn' }) });
}

/** From the video's arrival to its last stored frame, and each frame as a subscriber gets it. */
async function productPass(pipeline: Pipeline, video: string): Promise<Pass> {
  const { id: uploadId } = await pipeline.uploads.receive(createReadStream(video));
  const beganAtMs = performance.now();
  const stream = await pipeline.analyzeVideo({ uploadId, name: 'bench', sampling: EVERY_FRAME });
  const latenciesMs: number[] = [];
  let faces = 0;
  for await (const { frame } of pipeline.subscribeFrames(stream.id, { afterSequence: -1 })) {
    latenciesMs.push(frame.latencyMs);
    faces += frame.faces.length;
  }
  const seconds = (performance.now() - beganAtMs) / 1000;
  return { frames: latenciesMs.length, faces, seconds, latenciesMs };
}

/** From opening the video to the last result; one frame after another, each awaited. */
async function humanPass(human: Awaited<ReturnType<typeof openHuman>>, video: string): Promise<Pass> {
  const beganAtMs = performance.now();
  const media = await probeMedia(video);
  const { signal } = new AbortController();
  await using decoder = openDecoder(video, { media, sampling: EVERY_FRAME, maxSidePixels: 1280, signal });
  const latenciesMs: number[] = [];
  let faces = 0;
  for await (const { image } of readFrames(decoder)) {
    const readAtMs = performance.now();
    faces += await human.countFaces(image);
    latenciesMs.push(performance.now() - readAtMs);
  }
  const seconds = (performance.now() - beganAtMs) / 1000;
  return { frames: latenciesMs.length, faces, seconds, latenciesMs };
}

function report(passes: ReadonlyMap<string, readonly Pass[]>): void {
  for (const [name, list] of passes) {
    const latencies = list.flatMap(({ latenciesMs }) => latenciesMs);
    print(`${name}_frames_per_second`, percentile(rates(list), 0.5));
    print(`${name}_latency_p50_ms`, percentile(latencies, 0.5));
    print(`${name}_latency_p95_ms`, percentile(latencies, 0.95));
    print(`${name}_frames`, list[0]?.frames ?? 0);
    print(`${name}_faces`, list[0]?.faces ?? 0);
  }
  const theirs = rates(passes.get('human') ?? []);
  for (const name of ['circumplex', 'circumplex_int8']) {
    // Round by round, so that a busy moment of the machine weighs on both sides of its quotient.
    const ratios = rates(passes.get(name) ?? []).map((rate, round) => rate / (theirs[round] ?? Number.NaN));
    print(`${name}_against_human`, percentile(ratios, 0.5));
  }
}

function rates(list: readonly Pass[]): number[] {
  return list.map(({ frames, seconds }) => frames / seconds);
}

function print(name: string, value: number): void {
  console.log(`${name} ${Number.isInteger(value) ? value : value.toFixed(2)}`);
}
