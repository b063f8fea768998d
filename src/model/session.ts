import { InferenceSession, Tensor } from 'onnxruntime-node';
import { EXPRESSIONS } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { ModelCard } from './card.ts';
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

/** onnxruntime's severities; 4 is fatal. What goes wrong is thrown, so its own lines on standard error add nothing. */
const LOG_FATAL_ONLY = 4;

/**
 * Loads the network for one provider. Throws whatever onnxruntime throws when the provider is absent, and AppError
 * ENGINE_UNAVAILABLE when the file's inputs and outputs are not those of its card.
 */
export async function openSession(options: {
  readonly model: Uint8Array;
  readonly card: ModelCard;
  readonly provider: Provider;
  /** Threads inside one run; default 1, because N workers of one thread beat one worker of N threads. */
  readonly threads?: number;
}): Promise<AffectSession> {
  const { card } = options;
  const session = await InferenceSession.create(options.model, {
    executionProviders: [options.provider],
    intraOpNumThreads: options.threads ?? 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: LOG_FATAL_ONLY,
    // Patterns are kept per input shape and buy nothing here (2.5 ms a face with and without).
    enableMemPattern: false,
  });
  try {
    checkSignature(session, card);
  } catch (thrown) {
    await session.release();
    throw thrown;
  }
  const { size } = card.input;
  const { affect, expressions, uncertainty, faceness } = card.outputs;
  const fetches = [affect, expressions, uncertainty, ...(faceness === undefined ? [] : [faceness])];

  return {
    async run(crops, count) {
      const input = new Tensor('uint8', crops, [count, size, size, 3]);
      const outputs = await session.run({ [card.input.name]: input }, fetches);
      return {
        affect: floats(outputs, affect, count * 2),
        expressions: floats(outputs, expressions, count * EXPRESSIONS.length),
        uncertainty: floats(outputs, uncertainty, count),
        faceness: faceness === undefined ? null : floats(outputs, faceness, count),
      };
    },
    release: () => session.release(),
  };
}

function floats(outputs: InferenceSession.OnnxValueMapType, name: string, length: number): Float32Array {
  const values = outputs[name]?.data;
  if (values instanceof Float32Array && values.length === length) return values;
  throw new AppError('WORKER_FAILED', `The model's output ${name} has not the ${length} numbers that it should have.`);
}

function checkSignature(session: InferenceSession, card: ModelCard): void {
  const { size } = card.input;
  const input = session.inputMetadata.find((metadata) => metadata.name === card.input.name);
  const shape = input?.isTensor === true && input.type === 'uint8' ? input.shape : [];
  const fits = shape.length === 4 && shape[1] === size && shape[2] === size && shape[3] === 3;
  if (!fits || session.inputNames.length !== 1) {
    throw unlikeCard(card, `one uint8 input ${card.input.name} of shape [batch, ${size}, ${size}, 3]`);
  }
  // A fixed batch could take one crop alone or only ever full batches.
  if (typeof shape[0] === 'number') throw unlikeCard(card, 'a batch of any length');
  for (const name of Object.values(card.outputs).filter((output) => output !== undefined)) {
    const output = session.outputMetadata.find((metadata) => metadata.name === name);
    if (output?.isTensor !== true || output.type !== 'float32') throw unlikeCard(card, `a float32 output ${name}`);
  }
}

function unlikeCard(card: ModelCard, expected: string): AppError {
  return new AppError(
    'ENGINE_UNAVAILABLE',
    `The model file ${card.file} does not fit its card: it should have ${expected}. Export the model again.`,
  );
}
