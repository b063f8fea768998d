import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { LoadedNetwork, NetworkPort } from './network.ts';

/** onnxruntime's severities; 4 is fatal. What goes wrong is thrown, so its own lines on standard error add nothing. */
const LOG_FATAL_ONLY = 4;

/** Loads a network into onnxruntime. Throws whatever onnxruntime throws when the provider is absent. */
export async function openOnnxruntime(
  model: Uint8Array,
  options: { readonly provider: string; readonly threads: number },
): Promise<LoadedNetwork> {
  const session = await InferenceSession.create(model, {
    executionProviders: [options.provider],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: LOG_FATAL_ONLY,
    // Patterns are kept per input shape and buy nothing here (2.5 ms a face with and without).
    enableMemPattern: false,
  });
  const [inputName = ''] = session.inputNames;
  return {
    inputs: session.inputMetadata.map(toPort),
    outputs: session.outputMetadata.map(toPort),
    async run(bytes, shape, outputs) {
      const results = await session.run({ [inputName]: new Tensor('uint8', bytes, shape) }, outputs);
      return Object.fromEntries(outputs.map((name) => [name, results[name]?.data]));
    },
    release: () => session.release(),
  };
}

function toPort(metadata: InferenceSession.ValueMetadata): NetworkPort {
  const { name } = metadata;
  return metadata.isTensor ? { name, type: metadata.type, shape: metadata.shape } : { name, type: 'none', shape: [] };
}
