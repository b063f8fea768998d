/** A stream's frames, wherever they come from: score, store, then publish, in order. */

import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config.ts';
import type { AnalysisFacts, Frame, StreamRecord, StreamWarning } from '../domain.ts';
import { toAppError } from '../errors.ts';
import { createSmoother } from '../estimates/index.ts';
import { createTracker } from '../faces/index.ts';
import { orderedMap } from '../flow/index.ts';
import type { Hub } from '../publish/index.ts';
import type { Store } from '../store/index.ts';
import type { FrameAllowance } from './frame-allowance.ts';
import type { LiveProgress } from './progress.ts';
import type { Past } from './resume.ts';
import { type ScoredFrame, scoreFrames, type Vision } from './score-frames.ts';
import { addWarnings } from './warnings.ts';

export interface ScoringParts {
  readonly config: Pick<Config, 'minFaceness'>;
  readonly store: Store;
  readonly hub: Hub;
  readonly vision: Vision & { readonly facts: { readonly newTrackScore: number } };
  /** What makes the numbers here, but for what a stream chooses itself. Default nothing is kept of it. */
  readonly analysis?: Omit<AnalysisFacts, 'smoothingSeconds' | 'trackMissSeconds'>;
  /** Says how many frames may be stored. Default as many as there are. */
  readonly allowance?: Pick<FrameAllowance, 'take'>;
  /** Told of every frame that is stored. */
  readonly frameStored?: (scored: ScoredFrame, stream: StreamRecord) => void;
}

export interface ScoringRun {
  readonly stream: StreamRecord;
  readonly past: Past;
  readonly progress: LiveProgress;
  /**
   * The frames, with the sequence after that of the past. The signal fires when nobody wants more of them, because
   * something behind them has failed; they must then end soon.
   */
  readonly frames: (broken: AbortSignal) => AsyncIterable<Frame>;
  readonly smoothingSeconds: number;
  readonly trackMissSeconds: number;
  /** Frames further apart than this were interrupted, and so are tracks. Default: none are. Looked at for each frame. */
  readonly maxGapSeconds?: number;
  /** Frames being searched at once, and again being read at once. */
  readonly framesInFlight: number;
  /** Ends the scoring. */
  readonly abort: AbortSignal;
  /** Given once, however the run ends: all warnings of the stream, old and new. */
  readonly warned: (warnings: readonly StreamWarning[]) => void;
  /** Told of every frame that is published. */
  readonly published?: (scored: ScoredFrame) => void;
}

/**
 * Frames whose write is under way at once. The store commits what waits together, so a few tens make the cost of a
 * commit vanish; each holds numbers alone, no picture.
 */
const WRITES_IN_FLIGHT = 32;

const CHANGED = 'The server went on with another model, detector or other settings than it began with; see analysis.';
const FAILED_FRAMES = 'Frames were stored without faces because a worker failed over them.';

/**
 * Resolves once every frame that was scored is stored and published. Errors: those of the frames, WORKER_FAILED never,
 * ENGINE_UNAVAILABLE, OVERLOADED, LIMIT_EXCEEDED (of stored frames), STORE_FAILED, ABORTED.
 */
export async function scoreStream(parts: ScoringParts, run: ScoringRun): Promise<void> {
  const { store, hub, vision } = parts;
  const { stream, past, progress, trackMissSeconds, smoothingSeconds } = run;
  const broken = new AbortController();

  /** A failure is thrown only once the frames have ended, and a silent camera would not end for long. */
  async function ending<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (thrown) {
      if (toAppError(thrown).code !== 'WORKER_FAILED') broken.abort();
      throw thrown;
    }
  }

  const scored = scoreFrames(run.frames(broken.signal), {
    streamId: stream.id,
    vision: {
      findFaces: (...words) => ending(vision.findFaces(...words)),
      readFaces: (...words) => ending(vision.readFaces(...words)),
    },
    tracker: createTracker({
      newTrackScore: vision.facts.newTrackScore,
      maxMissSeconds: trackMissSeconds,
      get maxGapSeconds() {
        return run.maxGapSeconds ?? Number.POSITIVE_INFINITY;
      },
      resume: {
        nextTrackNumber: past.nextTrackNumber,
        tracks: past.sightings,
        ...(past.lastPtsSeconds === null ? {} : { ptsSeconds: past.lastPtsSeconds }),
      },
    }),
    smoother: createSmoother({ timeConstantSeconds: smoothingSeconds, resume: past.sightings }),
    minFaceness: parts.config.minFaceness,
    framesInFlight: run.framesInFlight,
    signal: run.abort,
  });

  let { warnings } = stream;
  await noteAnalysis();
  let failedWrite: { readonly thrown: unknown } | null = null;
  /** What the frame before waits for ahead of its write: no frame passes another there. */
  let turn = Promise.resolve();
  /** Behind a frame that could not be written none is: the next run goes on where what is stored ends. */
  async function write(one: ScoredFrame): Promise<ScoredFrame> {
    const prepared = turn.then(() => prepare(one));
    turn = prepared;
    try {
      await prepared;
      throwIfWriteFailed();
      await store.appendFrames([one.estimate]);
      return one;
    } catch (thrown) {
      failedWrite ??= { thrown };
      throw thrown;
    }
  }

  /** Keeps what makes the numbers when the stream first runs, and warns where it is not the same later. */
  async function noteAnalysis(): Promise<void> {
    if (parts.analysis === undefined) return;
    const analysis = { ...parts.analysis, smoothingSeconds, trackMissSeconds };
    if (stream.analysis === null) {
      // What made frames of before it was kept is not known.
      if (past.resumeAfter === null) hub.publishStatus(await store.updateStream(stream.id, { analysis }));
    } else if (!isDeepStrictEqual(stream.analysis, analysis)) {
      warnings = addWarnings(warnings, [{ code: 'ANALYSIS_CHANGED', message: CHANGED, count: 1 }]);
      hub.publishStatus(await store.updateStream(stream.id, { warnings }));
    }
  }

  async function prepare(one: ScoredFrame): Promise<void> {
    throwIfWriteFailed();
    await parts.allowance?.take(stream.ownerKeyId);
    if (one.failure !== null) {
      warnings = addWarnings(warnings, [{ code: 'FRAMES_FAILED', message: FAILED_FRAMES, count: 1 }]);
      hub.publishStatus(await store.updateStream(stream.id, { warnings }));
    }
  }

  function throwIfWriteFailed(): void {
    if (failedWrite !== null) throw failedWrite.thrown;
  }

  try {
    for await (const one of orderedMap(scored, WRITES_IN_FLIGHT, (frame) => ending(write(frame)))) {
      progress.frameStored(one.estimate);
      parts.frameStored?.(one, stream);
      hub.publish(one.estimate);
      run.published?.(one);
    }
  } finally {
    run.warned(warnings);
  }
}
