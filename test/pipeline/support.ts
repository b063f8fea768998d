/** Real parts for the tests of the pipeline: videos made from photographs, a folder of its own, a whole pipeline. */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { type Config, loadConfig } from '../../src/config.ts';
import type { FrameEstimate, StreamRecord } from '../../src/domain.ts';
import type { Pipeline } from '../../src/pipeline/index.ts';
import { type RunningPipeline, startPipeline } from '../../src/start-pipeline.ts';
import type { Store } from '../../src/store/index.ts';

const PHOTOGRAPHS = join(dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')), 'demo');

/** Path of one of the photographs: 1 to 6, each of three to five people. */
export function photograph(number: number): string {
  return join(PHOTOGRAPHS, `sample${number}.jpg`);
}

/** A folder that is gone when the test is over. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'circumplex-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export async function ffmpeg(...argv: string[]): Promise<void> {
  await promisify(execFile)('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...argv]);
}

/** A camera that wanders over a photograph of three people: 640x360, 25 frames a second. */
export async function makeVideo(
  path: string,
  options: { readonly frames: number; readonly photo?: number },
): Promise<string> {
  // The photograph is decoded and scaled once; then only the window moves.
  const still = `scale=960:-2,loop=loop=${options.frames}:size=1,setpts=N/25/TB`;
  const wander = "crop=640:360:x='160+60*sin(n/20)':y='75+30*cos(n/30)',setsar=1,format=yuv420p";
  const encode = ['-r', '25', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25'];
  const source = ['-i', photograph(options.photo ?? 3), '-vf', `${still},${wander}`];
  await ffmpeg(...source, '-frames:v', String(options.frames), ...encode, path);
  return path;
}

/** A pipeline over a data folder, with one worker so that several tests fit on a small machine. */
export function openPipeline(dataDir: string, settings: Record<string, string> = {}): Promise<RunningPipeline> {
  return startPipeline(testConfig(dataDir, settings), { log: pino({ level: 'silent' }) });
}

export function testConfig(dataDir: string, settings: Record<string, string> = {}): Config {
  const environment = {
    WORKERS: '1',
    ENGINE_PROVIDER: 'cpu',
    SHUTDOWN_SECONDS: '5',
    ALLOWED_HOSTS: '127.0.0.1',
    ...settings,
  };
  return loadConfig({ environment: { ...environment, DATA_DIR: dataDir } });
}

/** Uploads a file and queues it, every frame unless told otherwise. */
export async function submit(
  pipeline: Pipeline,
  path: string,
  options: { readonly framesPerSecond?: number } = {},
): Promise<StreamRecord> {
  const { id } = await pipeline.uploads.receive(createReadStream(path));
  const { framesPerSecond } = options;
  return pipeline.analyzeVideo({
    uploadId: id,
    name: 'a video',
    sampling: framesPerSecond === undefined ? { kind: 'EVERY_FRAME' } : { kind: 'RATE', framesPerSecond },
  });
}

/** The stream once it has ended. */
export async function ended(pipeline: Pipeline, id: string): Promise<StreamRecord> {
  let last: StreamRecord | null = null;
  for await (const stream of pipeline.subscribeStatus(id)) last = stream;
  if (last === null) throw new Error('the stream said nothing');
  return last;
}

/** Resolves once so many frames of a stream are stored, or throws when it ends before. */
export async function framesStored(pipeline: Pipeline, id: string, count: number): Promise<void> {
  for await (const { frame } of pipeline.subscribeFrames(id, { afterSequence: -1 })) {
    if (frame.sequence + 1 >= count) return;
  }
  throw new Error(`the stream ended before its frame ${count}`);
}

export async function allFrames(store: Store, id: string): Promise<FrameEstimate[]> {
  const frames: FrameEstimate[] = [];
  for (let after = -1; ; after = frames.at(-1)!.sequence) {
    const more = await store.framesAfter(id, after, 200);
    frames.push(...more);
    if (more.length === 0) return frames;
  }
}
