/** The engine tensorflow beside onnxruntime, on the model of the repository and on small ones. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CropReading } from '../../src/domain.ts';
import { createEngine, type Engine, type ProviderChoice, readModelCard } from '../../src/model/index.ts';
import { encodeOnnx } from './fixtures/onnx-file.ts';
import { realFaces } from './fixtures/real-faces.ts';
import { plainCrop, tinyAnswer, tinyCard, tinyNetwork, writeTinyModel } from './fixtures/tiny-model.ts';

const AFFECT = 'models/affect';
/** The promise of the engine, far above what rounding makes of it. */
const PARITY = 1e-4;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'circumplex-tensorflow-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function open(model: string, provider: ProviderChoice = 'cpu'): Promise<Engine> {
  return createEngine({ folder: model, card: await readModelCard(model), engine: 'tensorflow', provider });
}

function packed(crops: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(crops));
}

function numbers({ affect, expressions, uncertainty, faceness }: CropReading): number[] {
  return [affect.valence, affect.arousal, ...expressions, uncertainty, faceness];
}

describe('the engine tensorflow', () => {
  // The first test, because the backend starts once in a process.
  it('leaves the listeners of the process as they were', async () => {
    const count = (): number[] =>
      ['uncaughtException', 'unhandledRejection'].map((name) => process.listenerCount(name));
    const before = count();
    await writeTinyModel(folder);
    await using engine = await open(folder);
    await engine.infer(plainCrop(1, 2, 3), 1);
    expect(count()).toEqual(before);
  });

  it('reads real faces as onnxruntime does, alone and in batches of any length', async () => {
    const card = await readModelCard(AFFECT);
    const faces = await realFaces(card, 12);
    expect(faces).toHaveLength(12);
    await using onnxruntime = await createEngine({ folder: AFFECT, card, provider: 'cpu' });
    await using tensorflow = await open(AFFECT);
    expect(tensorflow.provider).toBe('tensorflow-wasm');
    expect(tensorflow.usesGraphicsCard).toBe(false);
    const expected = (await onnxruntime.infer(packed(faces), faces.length)).map(numbers);
    // The faces differ enough that a mix-up would show.
    expect(
      Math.max(...expected.map(([valence]) => valence!)) - Math.min(...expected.map(([valence]) => valence!)),
    ).toBeGreaterThan(0.3);
    let at = 0;
    for (const count of [1, 3, 8]) {
      const readings = await tensorflow.infer(packed(faces.slice(at, at + count)), count);
      for (const [index, reading] of readings.entries()) {
        const differences = numbers(reading).map((value, place) => Math.abs(value - expected[at + index]![place]!));
        expect(Math.max(...differences)).toBeLessThanOrEqual(PARITY);
      }
      at += count;
    }
  });

  it('reads each crop of a batch, in its order, from shared memory too', async () => {
    const outputs = { affect: 'affect', expressions: 'expressions', uncertainty: 'uncertainty', faceness: 'faceness' };
    await writeTinyModel(folder, { model: encodeOnnx(tinyNetwork({ faceness: true })), card: { outputs } });
    await using engine = await open(folder);
    const colours: readonly (readonly [number, number, number])[] = [
      [250, 10, 0],
      [0, 200, 30],
      [90, 90, 90],
    ];
    const crops = packed(colours.map((colour) => plainCrop(...colour)));
    const shared = new Uint8Array(new SharedArrayBuffer(crops.length));
    shared.set(crops);
    const readings = await engine.infer(shared, colours.length);
    for (const [index, colour] of colours.entries()) {
      const { valence, arousal, expressions, uncertainty } = tinyAnswer(...colour);
      const expected = [valence, arousal, ...expressions, uncertainty, colour[0] / 255];
      for (const [place, value] of numbers(readings[index]!).entries()) expect(value).toBeCloseTo(expected[place]!, 5);
    }
  });

  it('fails a batch whose numbers are not finite, and reads the next one', async () => {
    await writeTinyModel(folder);
    await using engine = await open(folder);
    const failing = engine.infer(packed([plainCrop(9, 9, 9), plainCrop(255, 255, 255)]), 2);
    await expect(failing).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    await expect(engine.infer(plainCrop(9, 9, 9), 1)).resolves.toHaveLength(1);
  });

  it('keeps no memory of the faces that it read, nor of itself once it is ended', async () => {
    await writeTinyModel(folder);
    const before = tf.memory().numTensors;
    const engine = await open(folder);
    const ready = tf.memory().numTensors;
    for (const count of [1, 4, 2]) await engine.infer(packed(Array(count).fill(plainCrop(1, 2, 3))), count);
    await engine.infer(packed([plainCrop(255, 255, 255)]), 1).catch(() => undefined);
    expect(tf.memory().numTensors).toBe(ready);
    await engine[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('names the operation that it does not know', async () => {
    const network = tinyNetwork();
    const operations = network.operations.map((operation) =>
      operation.operator === 'Tanh' ? { ...operation, operator: 'Bernoulli' } : operation,
    );
    await writeTinyModel(folder, { model: encodeOnnx({ ...network, operations }) });
    const before = tf.memory().numTensors;
    await expect(open(folder)).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringMatching(/operation Bernoulli .* is not known.*ENGINE=onnxruntime/),
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('rejects a model whose numbers differ from its card, and leaves nothing behind', async () => {
    const { selfCheck } = tinyCard(encodeOnnx(tinyNetwork())) as { selfCheck: { affect: [number, number] } };
    const [valence, arousal] = selfCheck.affect;
    await writeTinyModel(folder, { card: { selfCheck: { ...selfCheck, affect: [valence, arousal + 0.0015] } } });
    const before = tf.memory().numTensors;
    await expect(open(folder)).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('self-check'),
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    ['another input size', { size: 20 }, '[batch, 16, 16, 3]'],
    ['a fixed batch', { batch: 1 }, 'a batch of any length'],
  ])('rejects a model with %s', async (_, changes, expected) => {
    await writeTinyModel(folder, { model: encodeOnnx(tinyNetwork(changes)) });
    await expect(open(folder)).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining(expected),
    });
  });

  it.each([
    ['that is no network', new TextEncoder().encode('no network')],
    ['of which the end is missing', encodeOnnx(tinyNetwork()).subarray(0, 700)],
    ['that is empty', new Uint8Array(0)],
  ])('rejects a file %s', async (_, model) => {
    await writeTinyModel(folder, { model });
    await expect(open(folder)).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('model file'),
    });
  });
});
