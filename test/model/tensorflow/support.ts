/** Runs a graph of a few operations on both engines and compares all numbers. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect } from 'vitest';
import { GraphBuilder } from '../../../scripts/onnx-graph.ts';
import { useBackend } from '../../../src/model/tensorflow/backend.ts';
import { readOnnx } from '../../../src/model/tensorflow/onnx-graph.ts';
import { Plan } from '../../../src/model/tensorflow/plan.ts';

export interface Numbers {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Numbers in [-2, 2) that depend on the seed alone. */
export function noise(shape: readonly number[], seed = 1): Numbers {
  let state = seed;
  const length = shape.reduce((product, side) => product * side, 1);
  const values = Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 30 - 2;
  });
  return { shape, values };
}

export interface Comparison {
  readonly inputs: Readonly<Record<string, Numbers>>;
  readonly outputs: readonly string[];
  /** Adds the operations. Inputs are there already, outputs are declared afterwards. */
  readonly build: (graph: GraphBuilder) => void;
  /** Largest difference of a number that counts as equal, as a share of it where it is larger than 1. Default 1e-5. */
  readonly tolerance?: number;
}

export function encode({ inputs, outputs, build }: Comparison): Uint8Array {
  const graph = new GraphBuilder('test');
  for (const [name, { shape }] of Object.entries(inputs)) {
    graph.input(
      name,
      'float32',
      shape.map((_, axis) => `${name}${axis}`),
    );
  }
  build(graph);
  // No shape: onnxruntime works it out.
  for (const name of outputs) graph.output(name, null);
  return graph.encode();
}

/** Expects the same shapes and numbers of both, and that nothing but the weights is left in memory. */
export async function expectSameNumbers(comparison: Comparison): Promise<void> {
  const { inputs, outputs, tolerance = 1e-5 } = comparison;
  const file = encode(comparison);
  const expected = await runOnnxruntime(file, inputs, outputs);
  const actual = await runTensorflow(file, inputs, outputs);
  for (const [index, name] of outputs.entries()) {
    expect({ [name]: actual[index]!.shape }).toEqual({ [name]: expected[index]!.shape });
    const wanted = expected[index]!.values;
    const worst = actual[index]!.values.reduce(
      (worstYet, value, at) => Math.max(worstYet, Math.abs(value - wanted[at]!) / Math.max(1, Math.abs(wanted[at]!))),
      0,
    );
    expect(worst, `${name}: largest difference`).toBeLessThanOrEqual(tolerance);
  }
}

/** Expects that the engine says what it cannot do, be it when the model is loaded or when it first runs. */
export async function expectRefusal(comparison: Comparison, words: string): Promise<void> {
  const run = runTensorflow(encode(comparison), comparison.inputs, comparison.outputs);
  await expect(run).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE', message: expect.stringContaining(words) });
}

async function runOnnxruntime(
  file: Uint8Array,
  inputs: Comparison['inputs'],
  outputs: readonly string[],
): Promise<Numbers[]> {
  const session = await InferenceSession.create(file, { logSeverityLevel: 4 });
  const feeds = Object.entries(inputs).map(
    ([name, { shape, values }]) => [name, new Tensor('float32', values, shape)] as const,
  );
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return outputs.map((name) => ({ shape: results[name]!.dims, values: results[name]!.data as Float32Array }));
}

async function runTensorflow(
  file: Uint8Array,
  inputs: Comparison['inputs'],
  outputs: readonly string[],
): Promise<Numbers[]> {
  await useBackend('wasm');
  const before = tf.memory().numTensors;
  const plan = new Plan(readOnnx(file));
  const results = tf.tidy(() => {
    const feeds = Object.entries(inputs).map(
      ([name, { shape, values }]) => [name, tf.tensor(values, [...shape], 'float32')] as const,
    );
    return plan.run(Object.fromEntries(feeds), outputs);
  });
  const numbers = await Promise.all(
    results.map(async (tensor) => ({ shape: tensor.shape, values: Float32Array.from(await tensor.data()) })),
  );
  tf.dispose(results);
  plan.dispose();
  expect(tf.memory().numTensors).toBe(before);
  return numbers;
}

/** Runs a property over few cases: each loads a network twice. */
export function holds<T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => Promise<void>, cases = 40): Promise<void> {
  return fc.assert(fc.asyncProperty(arbitrary, check), { numRuns: cases });
}
