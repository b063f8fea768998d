/** One video from its first (or next) frame to its last: score, store, then publish, in order. */
import type { Config } from '../config.ts';
import type { StreamRecord, StreamWarning } from '../domain.ts';
import { AppError } from '../errors.ts';
import { createSmoother } from '../estimates/index.ts';
import { createTracker } from '../faces/index.ts';
import { orderedMap } from '../flow/index.ts';
import type { Hub } from '../publish/index.ts';
import type { Store } from '../store/index.ts';
import { LiveProgress } from './progress.ts';
import { readPast } from './resume.ts';
import { type ScoredFrame, scoreFrames, type Vision } from './score-frames.ts';
import { openVideoFrames } from './video-frames.ts';
import { addWarnings } from './warnings.ts';

export interface VideoJobParts {
  readonly config: Pick<
    Config,
    'framesInFlight' | 'maxFrameSidePixels' | 'minFaceness' | 'smoothingSeconds' | 'trackMissSeconds'
  >;
  readonly store: Store;
  readonly hub: Hub;
  readonly vision: Vision & { readonly facts: { readonly newTrackScore: number } };
  /** Told of every frame that is stored. */
  readonly frameStored?: (scored: ScoredFrame) => void;
}

export interface VideoJobRun {
  readonly stream: StreamRecord;
  /** The uploaded file. */
  readonly path: string;
  /** Ends the reading; what is in flight is still scored, stored and published. */
  readonly stop: AbortSignal;
  /** Ends the scoring too: for a stop that must not wait any longer. */
  readonly abort: AbortSignal;
  /** Given as soon as the job knows where it begins. */
  readonly began: (progress: LiveProgress) => void;
  /** Given once, however the run ends: all warnings of the stream, old and new. */
  readonly warned: (warnings: readonly StreamWarning[]) => void;
}

/**
 * Frames whose write is under way at once. The store commits what waits together, so a few tens make the cost of a
 * commit vanish; each holds numbers alone, no picture.
 */
const WRITES_IN_FLIGHT = 32;

/**
 * Resolves once every frame that was scored is stored and published. Goes on after the last stored frame if there is one. Errors: those of the medium, WORKER_FAILED never, ENGINE_UNAVAILABLE,
 * OVERLOADED, STORE_FAILED, ABORTED.
 */
export async function runVideoJob(parts: VideoJobParts, run: VideoJobRun): Promise<void> {
  const { config, store, hub, vision } = parts;
  const { stream } = run;
  const { media } = stream;
  if (media === null) throw new AppError('INTERNAL', 'The stream was stored without the facts of its file.');

  const past = await readPast(store, stream, config.trackMissSeconds);
  const progress = new LiveProgress(media, past);
  run.began(progress);

  const video = openVideoFrames(run.path, {
    media,
    sampling: stream.sampling,
    maxSidePixels: config.maxFrameSidePixels,
    ...(past.resumeAfter === null ? {} : { resumeAfter: past.resumeAfter }),
    signal: run.stop,
  });
  const scored = scoreFrames(video.frames, {
    streamId: stream.id,
    vision,
    tracker: createTracker({
      newTrackScore: vision.facts.newTrackScore,
      maxMissSeconds: config.trackMissSeconds,
      resume: {
        nextTrackNumber: past.nextTrackNumber,
        tracks: past.sightings,
        ...(past.lastPtsSeconds === null ? {} : { ptsSeconds: past.lastPtsSeconds }),
      },
    }),
    smoother: createSmoother({ timeConstantSeconds: config.smoothingSeconds, resume: past.sightings }),
    minFaceness: config.minFaceness,
    framesInFlight: config.framesInFlight,
    signal: run.abort,
  });

  let warnings = stream.warnings;
  const stored = orderedMap(scored, WRITES_IN_FLIGHT, async (one: ScoredFrame): Promise<ScoredFrame> => {
    if (one.failure !== null) {
      warnings = addWarnings(warnings, [{ code: 'FRAMES_FAILED', message: FAILED_FRAMES, count: 1 }]);
      await store.updateStream(stream.id, { warnings });
    }
    await store.appendFrames([one.estimate]);
    return one;
  });
  let framesStored = past.frames;
  try {
    for await (const one of stored) {
      framesStored += 1;
      progress.frameStored(one.estimate.ptsSeconds, one.estimate.faces.length);
      parts.frameStored?.(one);
      hub.publish(one.estimate);
    }
  } finally {
    run.warned(addWarnings(warnings, video.warnings));
  }
  if (framesStored === 0 && !run.stop.aborted) {
    throw new AppError('MEDIA_DAMAGED', 'Not one frame of the video could be decoded; encode it anew and try again.');
  }
}

const FAILED_FRAMES = 'Frames were stored without faces because a worker failed over them.';
