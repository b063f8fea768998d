import { readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../../src/model/tensorflow/backend.ts';
import { readOnnx } from '../../../src/model/tensorflow/onnx-graph.ts';
import { Plan } from '../../../src/model/tensorflow/plan.ts';
import { encode, expectRefusal, noise } from './support.ts';

beforeAll(() => useBackend('wasm'));

async function affectPlan(): Promise<{ plan: Plan; run: (count: number) => Float32Array }> {
  const graph = readOnnx(await readFile('models/affect/model.onnx'));
  const plan = new Plan(graph);
  const [input] = graph.inputs;
  const shape = (count: number): number[] => [count, ...input!.shape.slice(1).map((side) => side ?? 1)];
  const run = (count: number): Float32Array =>
    tf.tidy(() =>
      plan
        .run({ [input!.name]: tf.zeros(shape(count), 'int32') }, ['affect'])[0]!
        .dataSync<'float32'>()
        .slice(),
    );
  return { plan, run };
}

describe('Plan', () => {
  it('names an operation that it does not know', async () => {
    await expectRefusal(
      { inputs: { x: noise([2]) }, outputs: ['y'], build: (graph) => graph.add('HannWindow', ['x'], 'y') },
      'its operation HannWindow (y) is not known',
    );
  });

  it('leaves nothing behind when it cannot be made', () => {
    const file = encode({
      inputs: { x: noise([1, 1, 4, 4]) },
      outputs: ['y'],
      build: (graph) => {
        graph.add('Conv', ['x', graph.floats('w', [1, 1, 1, 1], [1])], 'middle');
        graph.add('Unknown', ['middle'], 'y');
      },
    });
    const before = tf.memory().numTensors;
    expect(() => new Plan(readOnnx(file))).toThrow('Unknown');
    expect(tf.memory().numTensors).toBe(before);
  });

  it('names the operation that a run fails in, and leaves nothing behind', () => {
    const file = encode({
      inputs: { x: noise([2, 3]) },
      outputs: ['y'],
      build: (graph) => {
        graph.add('Exp', ['x'], 'powers');
        graph.add('Reshape', ['powers', graph.integers('sides', [4, 2])], 'y');
      },
    });
    const plan = new Plan(readOnnx(file));
    const before = tf.memory().numTensors;
    expect(() => tf.tidy(() => plan.run({ x: tf.zeros([2, 3]) }, ['y']))).toThrow(/^Reshape \(y\): /);
    expect(tf.memory().numTensors).toBe(before);
    plan.dispose();
  });

  it('holds the same memory however often it runs, and none once it is disposed of', async () => {
    const before = tf.memory();
    const { plan, run } = await affectPlan();
    run(2);
    const afterFirst = tf.memory();
    for (const count of [1, 3, 2, 8, 1]) run(count);
    expect(tf.memory()).toMatchObject({ numTensors: afterFirst.numTensors, numBytes: afterFirst.numBytes });
    plan.dispose();
    plan.dispose();
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
  });

  it('holds each weight once', async () => {
    const before = tf.memory().numBytes;
    const { plan, run } = await affectPlan();
    run(1);
    const { parameters } = JSON.parse(await readFile('models/affect/card.json', 'utf8')) as { parameters: number };
    expect((tf.memory().numBytes - before) / (4 * parameters)).toBeLessThan(1.1);
    plan.dispose();
  });

  it('gives a constant output without giving it away', () => {
    const file = encode({
      inputs: { x: noise([2]) },
      outputs: ['y', 'w'],
      build: (graph) => graph.add('Mul', ['x', graph.floats('w', [2], [3, 4])], 'y'),
    });
    const plan = new Plan(readOnnx(file));
    for (let round = 0; round < 2; round += 1) {
      const [y, w] = tf.tidy(() => plan.run({ x: tf.ones([2]) }, ['y', 'w']));
      expect([...y!.dataSync(), ...w!.dataSync()]).toEqual([3, 4, 3, 4]);
      tf.dispose([y!, w!]);
    }
    plan.dispose();
  });
});
