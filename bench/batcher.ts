/**
 * Faces a second through the batcher and its workers, as a share of the same number of threads that run the model back
 * to back on full batches. Both take turns in one run, so that whatever else the machine does hits both alike.
 *
 *     npx tsx bench/batcher.ts [--model FOLDER] [--detector FOLDER] [--workers N] [--batch N] [--rounds N] [--seconds N]
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createVisionPool, type VisionPool } from '../src/batches/index.ts';
import { scriptLaunch } from '../src/flow/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/affect' },
    detector: { type: 'string', default: 'models/detector' },
    workers: { type: 'string', default: String(availableParallelism()) },
    batch: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    streams: { type: 'string', default: '4' },
    frames: { type: 'string', default: '8' },
  },
});
const workers = Number(values.workers);
const maxBatch = Number(values.batch);
const durationMs = Number(values.seconds) * 1000;
const streams = Number(values.streams);
/** Frames that each stream has in flight, as the pipeline has; one face each. */
const framesInFlight = Number(values.frames);

async function bareFacesPerSecond(threads: readonly Worker[]): Promise<number> {
  const rates = threads.map(async (thread) => {
    thread.postMessage(durationMs);
    const [rate] = (await once(thread, 'message')) as [number];
    return rate;
  });
  return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
}

async function pooledFacesPerSecond(pool: VisionPool): Promise<number> {
  const crop = new Uint8Array(pool.facts.cropSizePixels ** 2 * 3).fill(127);
  const before = pool.statistics().facesRead;
  const startMs = performance.now();
  const frames = Array.from({ length: streams * framesInFlight }, async (_, index) => {
    while (performance.now() - startMs < durationMs) await pool.readFaces(`stream ${index % streams}`, [crop]);
  });
  await Promise.all(frames);
  return (pool.statistics().facesRead - before) / ((performance.now() - startMs) / 1000);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

await using pool = await createVisionPool({
  workers,
  maxBatch,
  maxWaitMs: 4,
  workerSetup: { detector: values.detector, model: values.model, engine: 'onnxruntime', provider: 'cpu' },
});
const { url, execArgv } = scriptLaunch('./bare-loop', import.meta.url);
const threads = Array.from(
  { length: workers },
  () => new Worker(url, { execArgv, workerData: { model: values.model, batch: maxBatch } }),
);
await Promise.all(threads.map((thread) => once(thread, 'message')));

const bare: number[] = [];
const pooled: number[] = [];
for (let round = 0; round < Number(values.rounds); round += 1) {
  bare.push(await bareFacesPerSecond(threads));
  pooled.push(await pooledFacesPerSecond(pool));
}
await Promise.all(threads.map((thread) => thread.terminate()));

const statistics = pool.statistics();
const { waitMs } = statistics.read;
const batches = statistics.batchSizes.reduce((sum, count) => sum + count, 0);
const shares = pooled.map((rate, round) => rate / bare[round]!);
console.log(`batcher_workers ${workers}`);
console.log(`batcher_bare_faces_per_second ${median(bare).toFixed(1)}`);
console.log(`batcher_pooled_faces_per_second ${median(pooled).toFixed(1)}`);
console.log(`batcher_share_of_bare ${median(shares).toFixed(3)}`);
console.log(`batcher_mean_batch ${(statistics.facesRead / batches).toFixed(2)}`);
console.log(`batcher_mean_wait_ms ${(waitMs.sum / waitMs.counts.reduce((sum, count) => sum + count, 0)).toFixed(1)}`);
console.log(`batcher_memory_megabytes ${(process.memoryUsage().rss / 1e6).toFixed(0)}`);
