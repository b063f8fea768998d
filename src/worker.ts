/**
 * Entry of a worker thread, started by the pool: a face finder (always onnxruntime), and the affect model where this
 * worker reads, on the engine that is asked for. All of its networks run on this thread.
 */
import { serveJobs, type WorkerNetworks, type WorkerSetup } from './batches/index.ts';
import { createFaceFinder } from './faces/index.ts';
import { createEngine, type Engine, type EngineName, type ProviderChoice, readModelCard } from './model/index.ts';

await serveJobs(openNetworks);

async function openNetworks(setup: WorkerSetup): Promise<WorkerNetworks> {
  const card = await readModelCard(setup.model);
  // Its own failure ends the thread, and the finder with it.
  const finder = await createFaceFinder({
    detector: setup.detector,
    template: { sizePixels: card.input.size, ...card.template },
  });
  const engine: Engine | null = setup.serves.includes('read')
    ? await createEngine({
        folder: setup.model,
        card,
        engine: setup.engine as EngineName,
        provider: setup.provider as ProviderChoice,
      })
    : null;
  return {
    facts: {
      provider: engine?.provider ?? 'cpu',
      refusals: engine?.refusals ?? [],
      usesGraphicsCard: engine?.usesGraphicsCard ?? false,
      modelName: card.name,
      modelVersion: card.version,
      modelSha256: card.sha256,
      cropSizePixels: card.input.size,
      detectorName: finder.name,
      newTrackScore: finder.newTrackScore,
      keepTrackScore: finder.keepTrackScore,
    },
    find: (image) => finder.find(image),
    async read(crops, count) {
      if (engine === null) throw new Error('This worker looks for faces alone, yet it was given some to read.');
      return engine.infer(crops, count);
    },
    async [Symbol.asyncDispose]() {
      await engine?.[Symbol.asyncDispose]();
      await finder[Symbol.asyncDispose]();
    },
  };
}
