/** Starts a backend of TensorFlow.js. It belongs to the thread and stays until that ends; networks come and go. */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

export type TensorflowDevice = 'gpu' | 'wasm';

/** A package that only who wants it installs: it downloads several hundred megabytes of libtensorflow. */
const GPU_PACKAGE = '@tensorflow/tfjs-node-gpu';

const require = createRequire(import.meta.url);
const started = new Map<TensorflowDevice, Promise<void>>();

/** Makes `device` the one that this thread computes on. Throws, with the reason, when it cannot be had. */
export async function useBackend(device: TensorflowDevice): Promise<void> {
  const start = started.get(device) ?? (device === 'wasm' ? startWasm() : startGpu());
  started.set(device, start);
  await start;
  if (!(await tf.setBackend(device === 'wasm' ? 'wasm' : 'tensorflow'))) throw new Error('the backend did not start');
}

async function startWasm(): Promise<void> {
  setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
  const heldBack = holdBackListeners();
  const isReady = await tf.setBackend('wasm');
  heldBack();
  if (!isReady) throw new Error('the WebAssembly of @tensorflow/tfjs-backend-wasm did not start');
}

async function startGpu(): Promise<void> {
  try {
    require.resolve(GPU_PACKAGE);
  } catch (cause) {
    throw new Error(`${GPU_PACKAGE} is not installed`, { cause });
  }
  require(GPU_PACKAGE);
  await tf.setBackend('tensorflow');
  // Without CUDA the library says nothing and computes on the processor.
  if (!(tf.backend() as { readonly isUsingGpuDevice?: boolean }).isUsingGpuDevice) {
    throw new Error(`${GPU_PACKAGE} found no graphics card that it can use`);
  }
}

/**
 * The glue of the WebAssembly listens for all faults of the process and throws them once more, which is none of its
 * business: what was added between the call and the call of its result is taken away.
 */
function holdBackListeners(): () => void {
  const emitter: EventEmitter = process;
  const faults = ['uncaughtException', 'unhandledRejection'];
  const before = new Map(faults.map((fault) => [fault, emitter.listeners(fault)]));
  return () => {
    for (const [fault, known] of before) {
      for (const listener of emitter.listeners(fault)) {
        if (!known.includes(listener)) emitter.removeListener(fault, listener as () => void);
      }
    }
  };
}
