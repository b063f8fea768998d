/** Puts together everything below the transports, in the order in which it is taken apart again from the end. */
import { join } from 'node:path';
import { type Keyring, openKeyring } from './access/index.ts';
import { createVisionPool, type VisionPool } from './batches/index.ts';
import type { Config } from './config.ts';
import { takeDataFolder } from './data-folder.ts';
import { ClosingStack, scriptLaunch } from './flow/index.ts';
import { type AddressGate, checkFfmpeg, createAddressGate, createUploads } from './ingest/index.ts';
import type { Log } from './log.ts';
import { createPipeline, LIVE_FRAMES_IN_FLIGHT, type Pipeline } from './pipeline/index.ts';
import { createHub } from './publish/index.ts';
import { openStore, type Store } from './store/index.ts';

export interface StartOptions {
  readonly log: Log;
  /** Judges where live streams may be read from. Default one that the settings describe. */
  readonly gate?: AddressGate;
  /** Ends the start; what runs by then is ended by disposing of it. */
  readonly signal?: AbortSignal;
}

export interface RunningPipeline extends AsyncDisposable {
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly keyring: Keyring;
}

/** Starts the networks as the settings say. Errors: ENGINE_UNAVAILABLE, ABORTED. */
export async function openVision(config: Config, { log, signal }: StartOptions): Promise<VisionPool> {
  // Room for every caller that the settings allow at once: a job is held back, never refused.
  const callers =
    config.concurrentJobs * config.framesInFlight +
    config.maxLiveStreams * Math.min(LIVE_FRAMES_IN_FLIGHT, config.framesInFlight) +
    config.concurrentImages;
  const vision = await createVisionPool({
    maxWaiters: callers,
    workers: config.workers,
    maxBatch: config.maxBatch,
    maxWaitMs: config.batchWaitMs,
    workerSetup: {
      detector: config.detector,
      model: config.model,
      engine: config.engine,
      provider: config.engineProvider,
    },
    script: scriptLaunch('./worker', import.meta.url),
    onTrouble: (error) => log.error({ err: error }, 'an inference worker failed'),
    ...(signal === undefined ? {} : { signal }),
  });
  const { provider, refusals } = vision.facts;
  if (refusals.length > 0) log.info({ provider, refusals }, 'ENGINE_PROVIDER=auto could not use what it prefers');
  if (config.engine === 'tensorflow' && !vision.facts.usesGraphicsCard) {
    log.warn(
      { provider },
      'ENGINE=tensorflow runs in WebAssembly here: a quarter of the faces a second of ENGINE=onnxruntime, or fewer',
    );
  }
  return vision;
}

/**
 * Opens the data folder, the database and the networks, and takes up unfinished videos. When a part cannot start, those
 * before it are closed again. Errors: CONFIG_INVALID (also where HOST is open to others and there is no key), FFMPEG_MISSING, STORE_FAILED, ENGINE_UNAVAILABLE, ABORTED.
 */
export async function startPipeline(config: Config, options: StartOptions): Promise<RunningPipeline> {
  const parts = new ClosingStack();
  try {
    await checkFfmpeg(options.signal === undefined ? {} : { signal: options.signal });
    parts.own(await takeDataFolder(config.dataDir));
    const store = parts.own(await openStore({ databaseUrl: config.databaseUrl }));
    // Before anything is begun: a server that no key guards must not start where others can reach it.
    const keyring = parts.own(await openKeyring({ config, store, log: options.log }));
    const hub = parts.own(
      createHub({
        bufferFrames: config.subscriberBufferFrames,
        replay: (streamId, afterSequence, limit) => store.framesAfter(streamId, afterSequence, limit),
        streamNow: (streamId) => store.stream(streamId),
      }),
    );
    const vision = parts.own(await openVision(config, options));
    const uploads = parts.own(
      await createUploads({
        folder: join(config.dataDir, 'uploads'),
        maxBytes: config.maxUploadBytes,
        maxAgeSeconds: config.uploadMaxAgeSeconds,
      }),
    );
    const { allowedHosts, allowedDevices } = config;
    const gate = options.gate ?? createAddressGate({ allowedHosts, allowedDevices });
    const pipeline = parts.own(
      await createPipeline({
        config,
        store,
        hub,
        vision,
        uploads,
        gate,
        maxFramesOf: (keyId) => keyring.maxFramesOf(keyId),
        log: options.log,
      }),
    );
    return { pipeline, store, keyring, [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() };
  } catch (thrown) {
    await parts[Symbol.asyncDispose]();
    throw thrown;
  }
}
