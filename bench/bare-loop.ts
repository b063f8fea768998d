/** A thread that runs the model back to back and does nothing else: what the batcher is measured against. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readModelCard } from '../src/model/index.ts';

const { model, batch } = workerData as { readonly model: string; readonly batch: number };
const card = await readModelCard(model);
const session = await InferenceSession.create(await readFile(join(model, card.file)), {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});
const { size } = card.input;
const crops = new Uint8Array(batch * size * size * 3).fill(127);
const run = (): Promise<unknown> =>
  session.run({ [card.input.name]: new Tensor('uint8', crops, [batch, size, size, 3]) });

await run();
async function facesPerSecond(durationMs: number): Promise<number> {
  const startMs = performance.now();
  let faces = 0;
  while (performance.now() - startMs < durationMs) {
    await run();
    faces += batch;
  }
  return faces / ((performance.now() - startMs) / 1000);
}

parentPort?.on('message', (durationMs: number) => {
  void facesPerSecond(durationMs).then((rate) => parentPort?.postMessage(rate));
});
parentPort?.postMessage('ready');
