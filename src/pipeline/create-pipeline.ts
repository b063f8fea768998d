/** Joins the stages behind the one door that GraphQL and the command line use. */
import { setMaxListeners } from 'node:events';
import type { VisionPool } from '../batches/index.ts';
import type { Config } from '../config.ts';
import type { ImageAnalysis, StreamRecord } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { createLimiter, joinSignals, Places, settlesWithin } from '../flow/index.ts';
import { type AddressGate, mediaProcessCounts, type Uploads } from '../ingest/index.ts';
import type { Log } from '../log.ts';
import type { Hub } from '../publish/index.ts';
import type { Store } from '../store/index.ts';
import { analyzeImage } from './analyze-images.ts';
import { PipelineCounters } from './counters.ts';
import { FrameAllowance } from './frame-allowance.ts';
import { finishStream, hasEnded, STOP_GRACE_MS } from './job.ts';
import { LiveStreams } from './live-streams.ts';
import { OpenJobs } from './open-jobs.ts';
import { progressAtRest } from './progress.ts';
import { PushStreams } from './push-streams.ts';
import { startRetention } from './retention.ts';
import type { ScoringParts } from './score-stream.ts';
import type { AnalyzeImagesOptions, PictureInput, Pipeline, VideoInput } from './types.ts';
import { VideoIntake } from './video-intake.ts';
import { VideoJobs } from './video-jobs.ts';

export interface PipelineParts {
  readonly config: Config;
  readonly store: Store;
  readonly hub: Hub;
  readonly vision: VisionPool;
  readonly uploads: Uploads;
  /** Judges where live streams may be read from. */
  readonly gate: AddressGate;
  /** How many frames may be stored of a key's streams. Default any number. */
  readonly maxFramesOf?: (ownerKeyId: string) => number;
  readonly log: Log;
}

/** How often uploads that nobody claimed are looked for; their age limit is a day unless told otherwise. */
const SWEEP_INTERVAL_MS = 10 * 60 * 1000;
/** Who stops a stream is told after so long that its end could not be stored yet: its last frames, then two tries. */
const STOP_ANSWER_MS = STOP_GRACE_MS + 15_000;

/**
 * Makes the pipeline and takes up the streams that the last run of the process left unfinished; resolves once they are
 * queued. Disposing it ends what is at work and leaves the parts, which belong to the caller. Errors: STORE_FAILED.
 */
export async function createPipeline(parts: PipelineParts): Promise<Pipeline> {
  const { config, store, hub, vision, uploads, log } = parts;
  const counters = new PipelineCounters();
  const frameStored: ScoringParts['frameStored'] = (scored, stream) => counters.frameStored(scored, stream);
  const allowance = new FrameAllowance({ store, maxFramesOf: parts.maxFramesOf ?? (() => Number.POSITIVE_INFINITY) });
  const places = new Places(
    config.maxLiveStreams,
    () =>
      new AppError(
        'OVERLOADED',
        `${config.maxLiveStreams} live streams are open already (MAX_LIVE_STREAMS); stop one, or try again later.`,
      ),
  );
  const { modelName, modelVersion, modelSha256, detectorName, provider, workers, maxBatch } = vision.facts;
  const { engine, minFaceness } = config;
  const made = { modelName, modelVersion, modelSha256, detectorName, engine, provider, minFaceness };
  const scoring = { frameStored, allowance, analysis: { ...made, maxSidePixels: config.maxFrameSidePixels } };
  const open = new OpenJobs(parts);
  const jobs = new VideoJobs({ ...parts, ...scoring, open });
  const live = new LiveStreams({
    ...parts,
    ...scoring,
    open,
    places,
    changed: (id, status) => counters.liveChanged(id, status),
  });
  const pushed = new PushStreams({ ...parts, ...scoring, open, places });
  const intake = new VideoIntake({ config, store, hub, uploads, jobs });
  const closing = new AbortController();
  // One listener a request for pictures, which takes it off when it ends.
  setMaxListeners(0, closing.signal);
  const images = createLimiter({
    concurrency: config.concurrentImages,
    maxWaiting: config.maxQueuedImages,
    refuse: () =>
      new AppError('OVERLOADED', `${config.maxQueuedImages} pictures are waiting already; try again in a moment.`),
  });

  async function existing(id: string): Promise<StreamRecord> {
    const stream = await store.stream(id);
    if (stream === null) throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(id)}.`);
    return stream;
  }

  /** A stream that could not store one frame is not begun. */
  async function withRoom<T>(
    { ownerKeyId }: { readonly ownerKeyId?: string | null },
    open: () => Promise<T>,
  ): Promise<T> {
    await allowance.check(ownerKeyId ?? null);
    return open();
  }

  async function analyzeImages(
    pictures: readonly PictureInput[],
    options: AnalyzeImagesOptions = {},
  ): Promise<readonly ImageAnalysis[]> {
    // One failure ends the others: nobody will see their results.
    const others = new AbortController();
    using joined = joinSignals([
      others.signal,
      closing.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ]);
    const { signal } = joined;
    const { maxImageSidePixels: maxSidePixels } = config;
    const analysis = { ...made, maxSidePixels, smoothingSeconds: null, trackMissSeconds: null };
    const how = { signal, ownerKeyId: options.ownerKeyId ?? null, analysis };
    const analyses = pictures.map((picture) =>
      counters.ofImage(images.run(() => analyzeImage({ config, vision }, picture, how), signal)),
    );
    try {
      const done = await Promise.all(analyses);
      if (options.store !== false) for (const analysis of done) await store.saveImage(analysis);
      return done;
    } catch (thrown) {
      others.abort(new AppError('ABORTED', 'Another picture of the same request failed.'));
      await Promise.allSettled(analyses);
      throw toAppError(thrown);
    }
  }

  async function stopStream(id: string): Promise<StreamRecord> {
    if (!(await settlesWithin(open.stop(id), STOP_ANSWER_MS))) {
      const message =
        'The stream is being stopped, but the database does not take its end; it is stored as soon as it does.';
      throw new AppError('STORE_FAILED', message);
    }
    const stream = await existing(id);
    // A stream without a job and without an end: nothing of it runs, only its end is missing.
    return hasEnded(stream) ? stream : finishStream(parts, { id }, { status: 'STOPPED' });
  }

  async function sweep(): Promise<void> {
    try {
      const removed = await uploads.sweep((id) => intake.isClaimed(id));
      if (removed > 0) log.info({ removed }, 'removed uploads that nobody used');
    } catch (cause) {
      log.warn({ err: cause }, 'old uploads could not be looked for');
    }
  }

  const pipeline: Pipeline = {
    uploads: {
      receive: (source, options = {}) => uploads.receive(source, options),
      remove: async (id) => !intake.isClaimed(id) && (await uploads.remove(id)),
    },
    engine: { engine, provider, modelName, modelVersion, detectorName, workers, maxBatch },
    analyzeImages,
    analyzeVideo: (input: VideoInput) => withRoom(input, () => intake.take(input)),
    openStream: (input) => withRoom(input, () => live.open(input)),
    openPush: (input) => withRoom(input, () => pushed.open(input)),
    pushFrame: (streamId, picture) => pushed.push(streamId, picture),
    stopStream,
    async deleteStream(id) {
      await stopStream(id);
      const deleted = await store.deleteStream(id);
      log.info({ streamId: id, frames: deleted.frames }, 'stream was erased');
      return deleted;
    },
    async progress(id) {
      return open.progress(id) ?? progressAtRest(await existing(id), await store.progress(id));
    },
    async *subscribeFrames(streamId, options = {}) {
      await existing(streamId);
      yield* hub.frames(streamId, options);
    },
    async *subscribeStatus(streamId, options = {}) {
      if (streamId !== null) await existing(streamId);
      yield* hub.statuses(streamId ?? undefined, options);
    },
    statistics: () => ({
      jobsRunning: jobs.running,
      jobsQueued: jobs.queued,
      jobsRefused: jobs.refused,
      liveStreams: places.taken,
      liveStreamsRefused: places.refused,
      imagesInFlight: images.running,
      imagesWaiting: images.waiting,
      imagesRefused: images.refused,
      ...counters.statistics(),
      retention: retention.statistics(),
      vision: vision.statistics(),
      hub: hub.statistics(),
      uploads: uploads.statistics(),
      mediaProcesses: mediaProcessCounts(),
    }),
    async [Symbol.asyncDispose]() {
      clearInterval(sweeping);
      closing.abort(new AppError('ABORTED', 'The server is stopping; try again when it is back.'));
      await Promise.all([open, retention].map((part) => part[Symbol.asyncDispose]()));
    },
  };

  const takers = { FILE: intake, LIVE: live, PUSH: pushed };
  for (const stream of await store.unfinishedStreams()) takers[stream.kind].resume(stream);
  await sweep();
  const sweeping = setInterval(() => void sweep(), SWEEP_INTERVAL_MS);
  sweeping.unref();
  const retention = startRetention({ store, log, retentionDays: config.retentionDays });
  return pipeline;
}
