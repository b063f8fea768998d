/**
 * From pictures to estimates: look for faces, read them, track them, smooth. Finding and reading run on the workers with
 * several frames in flight; tracking and smoothing run here, one frame after the other, in the order of the frames.
 *
 *     frames -> find (in flight: framesInFlight) -> read (in flight: framesInFlight) -> track -> smooth -> estimates
 *
 * Read before they are tracked, so that what the network takes for no face never begins a track.
 *
 * Each of the two maps pulls ahead by itself, so later frames are searched while earlier ones are read; a consumer that
 * does not pull stops both, then the frames, then whoever makes those.
 */
import type { VisionPool } from '../batches/index.ts';
import type { CropReading, DetectedFace, FaceReading, FoundFace, Frame, FrameEstimate } from '../domain.ts';
import { type AppError, toAppError } from '../errors.ts';
import type { Smoother } from '../estimates/index.ts';
import type { Tracker } from '../faces/index.ts';
import { orderedMap } from '../flow/index.ts';

export type Vision = Pick<VisionPool, 'findFaces' | 'readFaces'>;

export interface ScoreFramesOptions {
  /** Also the key by which the workers share their time fairly among streams. */
  readonly streamId: string;
  readonly vision: Vision;
  /** Both belong to this stream alone and are changed by it. */
  readonly tracker: Tracker;
  readonly smoother: Smoother;
  /** Crops with a lower faceness are no faces, [0, 1]; 0 keeps all. */
  readonly minFaceness: number;
  /** Frames being searched at once, and again being read at once. At least 1. */
  readonly framesInFlight: number;
  /** Breaks off what the workers have in hand; ABORTED is thrown. */
  readonly signal: AbortSignal;
}

export interface ScoredFrame {
  readonly estimate: FrameEstimate;
  /** Why the estimate has no faces although the frame may show some: a worker failed over it. */
  readonly failure: AppError | null;
}

interface Searched {
  readonly frame: Omit<Frame, 'image'>;
  readonly readAtMs: number;
  readonly found: readonly FoundFace[];
  readonly failure: AppError | null;
}

interface Read extends Omit<Searched, 'found'> {
  readonly faces: readonly ReadFace[];
}

/** A detected face with its reading, as the tracker takes it. */
interface ReadFace extends DetectedFace {
  readonly reading: FaceReading;
}

/**
 * Estimates in the order of `frames`, one for each, its faces by their track numbers. A frame that a worker failed over
 * comes without faces and with its failure, and the frames after it go on. Every other error ends the generator: those
 * of `frames`, OVERLOADED, ENGINE_UNAVAILABLE, ABORTED.
 */
export async function* scoreFrames(
  frames: AsyncIterable<Frame>,
  options: ScoreFramesOptions,
): AsyncGenerator<ScoredFrame, void, undefined> {
  const { streamId, vision, tracker, smoother, minFaceness, framesInFlight, signal } = options;

  const search = async ({ image, ...frame }: Frame): Promise<Searched> => {
    const readAtMs = performance.now();
    const found = vision.findFaces(streamId, image, signal);
    const outcome = await settle<readonly FoundFace[]>(found, []);
    return { frame, readAtMs, found: outcome.value, failure: outcome.failure };
  };

  const read = async ({ found, ...rest }: Searched): Promise<Read> => {
    if (found.length === 0) return { ...rest, faces: [] };
    const crops = found.map(({ crop }) => crop);
    const readings = vision.readFaces(streamId, crops, signal);
    const { value, failure } = await settle<readonly CropReading[]>(readings, []);
    return { ...rest, faces: realFaces(found, value, minFaceness), failure: rest.failure ?? failure };
  };

  const searched = orderedMap(frames, framesInFlight, search);
  for await (const { frame, readAtMs, faces, failure } of orderedMap(searched, framesInFlight, read)) {
    const estimates = tracker
      .update(frame.ptsSeconds, faces)
      .map(({ trackNumber, face: { box, landmarks, score, reading } }) => {
        const smoothed = smoother.smooth(trackNumber, frame.ptsSeconds, reading.affect);
        return { trackNumber, box, landmarks, score, ...reading, smoothed };
      });
    // By number, as they are stored: what is published and what is read back later are the same.
    estimates.sort((a, b) => a.trackNumber - b.trackNumber);
    const { sequence, ptsSeconds, capturedAt, skippedBefore, sourceWidth: width, sourceHeight: height } = frame;
    const latencyMs = performance.now() - readAtMs;
    yield {
      estimate: {
        streamId,
        sequence,
        ptsSeconds,
        capturedAt,
        width,
        height,
        faces: estimates,
        skippedBefore,
        latencyMs,
      },
      failure,
    };
  }
}

/** The found faces with their readings, without the crops that the network takes for no face. */
export function realFaces(
  found: readonly FoundFace[],
  readings: readonly CropReading[],
  minFaceness: number,
): readonly ReadFace[] {
  return readings.flatMap(({ faceness, ...reading }, index) =>
    faceness < minFaceness ? [] : [{ ...found[index]!.face, reading }],
  );
}

/** A worker that died twice over the same work costs that frame its faces, not the stream its life. */
async function settle<T>(
  work: Promise<T>,
  without: T,
): Promise<{ readonly value: T; readonly failure: AppError | null }> {
  try {
    return { value: await work, failure: null };
  } catch (thrown) {
    const failure = toAppError(thrown);
    if (failure.code !== 'WORKER_FAILED') throw failure;
    return { value: without, failure };
  }
}
