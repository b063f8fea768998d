import * as tf from '@tensorflow/tfjs-core';
import type { LoadedNetwork, NetworkPort } from '../network.ts';
import { type TensorflowDevice, useBackend } from './backend.ts';
import { type OnnxPort, readOnnx } from './onnx-graph.ts';
import { Plan } from './plan.ts';

/**
 * Loads an ONNX file for TensorFlow.js: the same weights as onnxruntime's, each operation done by TensorFlow's own.
 * Errors: ENGINE_UNAVAILABLE when the file cannot be read or has an operation that is not known, and whatever the
 * backend throws when its device is absent.
 */
export async function openTensorflow(model: Uint8Array, device: TensorflowDevice): Promise<LoadedNetwork> {
  await useBackend(device);
  const graph = readOnnx(model);
  const plan = new Plan(graph);
  return {
    inputs: graph.inputs.map(toPort),
    outputs: graph.outputs.map(toPort),
    async run(bytes, shape, outputs) {
      const [input] = graph.inputs;
      const results = tf.tidy(() => plan.run({ [input?.name ?? '']: tf.tensor(bytes, [...shape], 'int32') }, outputs));
      try {
        const numbers = await Promise.all(results.map((tensor) => tensor.data()));
        return Object.fromEntries(outputs.map((name, index) => [name, numbers[index]]));
      } finally {
        tf.dispose(results);
      }
    },
    async release() {
      plan.dispose();
    },
  };
}

function toPort({ name, element, shape }: OnnxPort): NetworkPort {
  return { name, type: element, shape };
}
