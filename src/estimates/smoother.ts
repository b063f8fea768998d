/**
 * Exponential smoothing over media time, one state per track. The weight of the new value is `1 - exp(-dt / timeConstant)`,
 * so the result does not depend on the frame rate, and frames may come at irregular times.
 */
import type { Affect } from '../domain.ts';

/** What a track was last smoothed to, and when. */
export interface SmoothedPast {
  readonly trackNumber: number;
  readonly ptsSeconds: number;
  readonly smoothed: Affect;
}

export interface SmootherOptions {
  /** Seconds after which a step has been followed by 63 %; 0 switches smoothing off. At least 0. */
  readonly timeConstantSeconds: number;
  /**
   * Most tracks that are remembered; beyond it the one unseen for longest is forgotten. Default 1,024: far more than
   * faces fit on a frame, and about 100 KiB.
   */
  readonly maxTracks?: number;
  /** The past of an interrupted stream; of several entries for a track the latest counts. Default none. */
  readonly resume?: readonly SmoothedPast[];
}

export interface Smoother {
  /**
   * The smoothed value of a track at `ptsSeconds`. A track's first value passes through, and so does one after a silence
   * of {@link Smoother.memorySeconds}. A time that is not later than the last leaves the smoothed value as it was.
   */
  smooth(trackNumber: number, ptsSeconds: number, affect: Affect): Affect;
  forget(trackNumber: number): void;
  /** Past that matters, in seconds: whoever resumes needs no older values. */
  readonly memorySeconds: number;
  readonly trackCount: number;
}

/** After 20 time constants the past weighs 2e-9, less than the model's float32 can tell apart. */
const MEMORY_TIME_CONSTANTS = 20;

export function createSmoother({ timeConstantSeconds, maxTracks = 1024, resume = [] }: SmootherOptions): Smoother {
  const memorySeconds = timeConstantSeconds * MEMORY_TIME_CONSTANTS;
  // Insertion order is the order of last use: every update takes the track out and puts it at the end.
  const tracks = new Map<number, { readonly ptsSeconds: number; readonly smoothed: Affect }>();

  function remember(trackNumber: number, ptsSeconds: number, smoothed: Affect): void {
    tracks.delete(trackNumber);
    tracks.set(trackNumber, { ptsSeconds, smoothed });
    if (tracks.size <= maxTracks) return;
    const [oldest] = tracks.keys();
    if (oldest !== undefined) tracks.delete(oldest);
  }

  for (const past of [...resume].sort((a, b) => a.ptsSeconds - b.ptsSeconds)) {
    remember(past.trackNumber, past.ptsSeconds, past.smoothed);
  }

  return {
    memorySeconds,
    get trackCount() {
      return tracks.size;
    },
    smooth(trackNumber, ptsSeconds, affect) {
      const past = tracks.get(trackNumber);
      const elapsedSeconds = past === undefined ? Number.POSITIVE_INFINITY : ptsSeconds - past.ptsSeconds;
      if (past === undefined || timeConstantSeconds === 0 || elapsedSeconds >= memorySeconds) {
        remember(trackNumber, ptsSeconds, affect);
        return affect;
      }
      if (elapsedSeconds <= 0) return past.smoothed;
      const weight = -Math.expm1(-elapsedSeconds / timeConstantSeconds);
      const smoothed = {
        valence: past.smoothed.valence + weight * (affect.valence - past.smoothed.valence),
        arousal: past.smoothed.arousal + weight * (affect.arousal - past.smoothed.arousal),
      };
      remember(trackNumber, ptsSeconds, smoothed);
      return smoothed;
    },
    forget(trackNumber) {
      tracks.delete(trackNumber);
    },
  };
}
