import { EXPRESSIONS } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { ModelCard } from './card.ts';
import type { LoadedNetwork } from './network.ts';
import { openOnnxruntime } from './onnxruntime.ts';
import type { Provider } from './providers.ts';

/**
 * What the network gives for `count` crops, as it comes: affect [count, 2], expressions [count, 8], uncertainty [count],
 * faceness [count] or `null` from a model that does not say.
 */
export interface RawReadings {
  readonly affect: Float32Array;
  readonly expressions: Float32Array;
  readonly uncertainty: Float32Array;
  readonly faceness: Float32Array | null;
}

/** A loaded network on one device. */
export interface AffectSession {
  /** `crops` holds `count * size * size * 3` bytes RGB, crop after crop. */
  run(crops: Uint8Array, count: number): Promise<RawReadings>;
  release(): Promise<void>;
}

/**
 * Loads the network for one provider. Throws whatever its library throws when the provider is absent, and AppError
 * ENGINE_UNAVAILABLE when the file's inputs and outputs are not those of its card, or an operation of it is not known.
 */
export async function openSession(options: {
  readonly model: Uint8Array;
  readonly card: ModelCard;
  readonly provider: Provider;
  /** Threads inside one run; default 1, because N workers of one thread beat one worker of N threads. */
  readonly threads?: number;
}): Promise<AffectSession> {
  const { card, model, provider, threads = 1 } = options;
  const network = await openNetwork(model, { provider, threads });
  try {
    checkSignature(network, card);
  } catch (thrown) {
    await network.release();
    throw thrown;
  }
  const { size } = card.input;
  const { affect, expressions, uncertainty, faceness } = card.outputs;
  const wanted = [affect, expressions, uncertainty, ...(faceness === undefined ? [] : [faceness])];

  return {
    async run(crops, count) {
      const outputs = await network.run(crops, [count, size, size, 3], wanted);
      return {
        affect: floats(outputs, affect, count * 2),
        expressions: floats(outputs, expressions, count * EXPRESSIONS.length),
        uncertainty: floats(outputs, uncertainty, count),
        faceness: faceness === undefined ? null : floats(outputs, faceness, count),
      };
    },
    release: () => network.release(),
  };
}

async function openNetwork(
  model: Uint8Array,
  { provider, threads }: { readonly provider: Provider; readonly threads: number },
): Promise<LoadedNetwork> {
  if (provider !== 'tensorflow-gpu' && provider !== 'tensorflow-wasm')
    return openOnnxruntime(model, { provider, threads });
  // Loaded by who wants it: the library takes a quarter of a second and fifty megabytes.
  const { openTensorflow } = await import('./tensorflow/network.ts');
  return openTensorflow(model, provider === 'tensorflow-gpu' ? 'gpu' : 'wasm');
}

function floats(outputs: Readonly<Record<string, unknown>>, name: string, length: number): Float32Array {
  const values = outputs[name];
  if (values instanceof Float32Array && values.length === length) return values;
  throw new AppError('WORKER_FAILED', `The model's output ${name} has not the ${length} numbers that it should have.`);
}

function checkSignature(network: LoadedNetwork, card: ModelCard): void {
  const { size } = card.input;
  const input = network.inputs.find(({ name }) => name === card.input.name);
  const shape = input?.type === 'uint8' ? input.shape : [];
  const fits = shape.length === 4 && shape[1] === size && shape[2] === size && shape[3] === 3;
  if (!fits || network.inputs.length !== 1) {
    throw unlikeCard(card, `one uint8 input ${card.input.name} of shape [batch, ${size}, ${size}, 3]`);
  }
  // A fixed batch could take one crop alone or only ever full batches.
  if (typeof shape[0] === 'number') throw unlikeCard(card, 'a batch of any length');
  for (const wanted of Object.values(card.outputs).filter((output) => output !== undefined)) {
    const output = network.outputs.find(({ name }) => name === wanted);
    if (output?.type !== 'float32') throw unlikeCard(card, `a float32 output ${wanted}`);
  }
}

function unlikeCard(card: ModelCard, expected: string): AppError {
  return new AppError(
    'ENGINE_UNAVAILABLE',
    `The model file ${card.file} does not fit its card: it should have ${expected}. Export the model again.`,
  );
}
