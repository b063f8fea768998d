import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { photograph, repositoryPath } from './support.ts';

// tfjs ships CommonJS for Node only.
const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-core') as typeof import('@tensorflow/tfjs-core');
const { loadGraphModel } = require('@tensorflow/tfjs-converter') as typeof import('@tensorflow/tfjs-converter');
const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');

test('the converted detector gives the numbers of the original graph on a photograph', async () => {
  const { data: pixels } = await sharp(photograph(2))
    .resize(256, 256, { fit: 'contain' })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });

  const session = await InferenceSession.create(repositoryPath('models/detector/model.onnx'));
  const results = await session.run({ pictures: new Tensor('uint8', new Uint8Array(pixels), [1, 256, 256, 3]) });

  const original = await loadOriginal();
  const input = tf.tensor4d(
    Float32Array.from(pixels, (value) => value / 127.5 - 1),
    [1, 256, 256, 3],
  );
  const names = ['Identity', 'Identity_1', 'Identity_2', 'Identity_3'];
  const [scores16, scores32, boxes16, boxes32] = (original.execute(input, names) as { dataSync(): Float32Array }[]).map(
    (tensor) => tensor.dataSync(),
  );

  // Scores as they are used: raw ones go to -20,000, where neighbouring float32 numbers are 0.002 apart.
  const probabilities = Array.from(results.scores!.data as Float32Array, sigmoid);
  expect(Math.max(...probabilities)).toBeGreaterThan(0.7);
  expect(largestDifference(probabilities, [...scores16!, ...scores32!].map(sigmoid))).toBeLessThan(1e-3);
  expect(largestDifference(results.boxes!.data, [...boxes16!, ...boxes32!])).toBeLessThan(1e-3);
  await session.release();
});

async function loadOriginal(): Promise<GraphModel> {
  wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`);
  await tf.setBackend('wasm');
  await tf.ready();
  const folder = repositoryPath('node_modules/@vladmandic/human/models');
  const { modelTopology, weightsManifest } = JSON.parse(await readFile(join(folder, 'blazeface.json'), 'utf8'));
  const weights = await readFile(join(folder, 'blazeface.bin'));
  return loadGraphModel({
    load: async () => ({
      modelTopology,
      weightSpecs: weightsManifest[0].weights,
      weightData: new Uint8Array(weights).buffer,
    }),
  });
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function largestDifference(values: ArrayLike<unknown>, wanted: readonly number[]): number {
  expect(values.length).toBe(wanted.length);
  return wanted.reduce((largest, value, index) => Math.max(largest, Math.abs(value - Number(values[index]))), 0);
}
