import type { CropReading } from '../domain.ts';
import { AppError } from '../errors.ts';
import { type ModelCard, readModelFile } from './card.ts';
import {
  type ChosenProvider,
  chooseProvider,
  type EngineName,
  type Provider,
  type ProviderChoice,
  usesGraphicsCard,
} from './providers.ts';
import { toReadings } from './readings.ts';
import { checkNumbers } from './self-check.ts';
import { type AffectSession, openSession } from './session.ts';

/** A network that is ready to read faces. It computes on the calling thread and blocks it for the time of a run. */
export interface Engine extends AsyncDisposable {
  readonly provider: Provider;
  /** Why the providers that `auto` would have preferred cannot be used, a sentence each. */
  readonly refusals: readonly string[];
  /** Whether it computes on a graphics card, which should have one owner. */
  readonly usesGraphicsCard: boolean;
  /**
   * Reads `count` crops, packed one after the other: `count * size * size * 3` bytes RGB, in shared memory if you like;
   * they are copied before it returns. One call at a time. Errors: WORKER_FAILED when the run fails or its numbers are not finite.
   */
  infer(crops: Uint8Array, count: number): Promise<CropReading[]>;
}

export interface EngineOptions {
  /** Folder of card.json and the model's file. */
  readonly folder: string;
  /** What `readModelCard(folder)` gave. */
  readonly card: ModelCard;
  /** The library that runs the network. Default onnxruntime. */
  readonly engine?: EngineName;
  /** A provider by name must work; `auto` takes the engine's first one that passes its self-check. */
  readonly provider: ProviderChoice;
  /** Threads of one run on onnxruntime's cpu. Default 1. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/**
 * Loads the model (checksum), picks the provider and checks its numbers against the card before it resolves.
 * Errors: ENGINE_UNAVAILABLE, ABORTED.
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { card, folder, signal, threads = 1, engine = 'onnxruntime' } = options;
  const model = await readModelFile(folder, card);
  const chosen = await chooseProvider(options.provider, { engine, folder, signal });
  const { provider } = chosen;
  let session: AffectSession | undefined;
  try {
    session = await openSession({ model, card, provider, threads });
    await checkNumbers(session, card);
  } catch (thrown) {
    await session?.release();
    if (thrown instanceof AppError && thrown.code === 'ENGINE_UNAVAILABLE') throw thrown;
    throw new AppError(
      'ENGINE_UNAVAILABLE',
      `The model ${card.name} ${card.version} cannot be run on ${provider}. Use another ENGINE_PROVIDER or ENGINE, or fetch the model again.`,
      { cause: thrown },
    );
  }
  return engineOn(session, card, chosen);
}

function engineOn(session: AffectSession, card: ModelCard, { provider, refusals }: ChosenProvider): Engine {
  const cropBytes = card.input.size * card.input.size * 3;
  // Neither library takes shared memory. One block, used again and again, spares a third of a megabyte per batch of garbage.
  let input = new Uint8Array(0);
  let ended: Promise<void> | undefined;
  return {
    provider,
    refusals,
    usesGraphicsCard: usesGraphicsCard(provider),
    async infer(crops, count) {
      if (crops.length !== count * cropBytes) {
        throw new AppError('INTERNAL', `${count} crops have ${crops.length} bytes instead of ${count * cropBytes}.`);
      }
      if (input.length < crops.length) input = new Uint8Array(crops.length);
      input.set(crops);
      try {
        return toReadings(await session.run(input.subarray(0, crops.length), count), count);
      } catch (thrown) {
        if (thrown instanceof AppError) throw thrown;
        throw new AppError('WORKER_FAILED', `The model failed over a batch of ${count} faces. Try them again.`, {
          cause: thrown,
        });
      }
    },
    [Symbol.asyncDispose]() {
      ended ??= session.release();
      return ended;
    },
  };
}
