/** Where an interrupted stream goes on, worked out from what is stored of it. */
import type { Box, StreamRecord } from '../domain.ts';
import type { SmoothedPast } from '../estimates/index.ts';
import type { Store } from '../store/index.ts';
import type { StoredFigures } from './progress.ts';

/** A stream's past as far as its next frame depends on it. */
export interface Past extends StoredFigures {
  /** The last stored frame; `null` when the stream has none. */
  readonly resumeAfter: { readonly sequence: number; readonly ptsSeconds: number } | null;
  readonly nextTrackNumber: number;
  /** Faces of the last frames, in the order of their times. */
  readonly sightings: readonly (SmoothedPast & { readonly box: Box })[];
}

/**
 * Frames from which a track's motion is learned again. The newest motion has a share of 40 % in it, so that what is older
 * than 20 frames has less than 0.01 %.
 */
const FRAMES_OF_MOTION = 20;
/** Where a container does not say its rate, it is taken to be a slow one. */
const SLOW_FRAMES_PER_SECOND = 5;

/** Reads the past of a stream. `trackMissSeconds` is how long a track is kept without a sighting. Errors: STORE_FAILED. */
export async function readPast(store: Store, stream: StreamRecord, trackMissSeconds: number): Promise<Past> {
  const { frames, faces, skipped, lastSequence, lastPtsSeconds, nextTrackNumber } = await store.progress(stream.id);
  if (lastSequence === null || lastPtsSeconds === null) {
    return { frames, faces, skipped, lastPtsSeconds: null, resumeAfter: null, nextTrackNumber, sightings: [] };
  }
  const windowSeconds = Math.max(trackMissSeconds, FRAMES_OF_MOTION / framesPerSecond(stream));
  const lastFrames = await store.lastFrames(stream.id, windowSeconds);
  return {
    frames,
    faces,
    skipped,
    lastPtsSeconds,
    resumeAfter: { sequence: lastSequence, ptsSeconds: lastPtsSeconds },
    nextTrackNumber,
    sightings: lastFrames.flatMap(({ ptsSeconds, faces: seen }) =>
      seen.map(({ trackNumber, box, smoothed }) => ({ trackNumber, ptsSeconds, box, smoothed })),
    ),
  };
}

function framesPerSecond({ media, sampling }: StreamRecord): number {
  const ofMedia = media?.framesPerSecond ?? SLOW_FRAMES_PER_SECOND;
  return sampling.kind === 'RATE' ? Math.min(ofMedia, sampling.framesPerSecond) : ofMedia;
}
