/** Where an interrupted stream goes on, worked out from what is stored of it. */
import type { Box } from '../domain.ts';
import type { SmoothedPast } from '../estimates/index.ts';
import type { Store } from '../store/index.ts';
import type { StoredFigures } from './progress.ts';

/** A stream's past as far as its next frame depends on it. */
export interface Past extends StoredFigures {
  /** The last stored frame; `null` when the stream has none. */
  readonly resumeAfter: { readonly sequence: number; readonly ptsSeconds: number } | null;
  readonly nextTrackNumber: number;
  /** Tracks that may still be met again, each as it was last seen. */
  readonly tracks: readonly (SmoothedPast & { readonly box: Box })[];
}

/** Reads the past of a stream. `trackMissSeconds` bounds how far back a track can matter. Errors: STORE_FAILED. */
export async function readPast(store: Store, streamId: string, trackMissSeconds: number): Promise<Past> {
  const { frames, faces, lastSequence, lastPtsSeconds, nextTrackNumber } = await store.progress(streamId);
  if (lastSequence === null || lastPtsSeconds === null) {
    return { frames, faces, lastPtsSeconds: null, resumeAfter: null, nextTrackNumber, tracks: [] };
  }
  const tracks = new Map<number, SmoothedPast & { readonly box: Box }>();
  for (const frame of await store.lastFrames(streamId, trackMissSeconds)) {
    for (const { trackNumber, box, smoothed } of frame.faces) {
      tracks.set(trackNumber, { trackNumber, ptsSeconds: frame.ptsSeconds, box, smoothed });
    }
  }
  return {
    frames,
    faces,
    lastPtsSeconds,
    resumeAfter: { sequence: lastSequence, ptsSeconds: lastPtsSeconds },
    nextTrackNumber,
    tracks: [...tracks.values()],
  };
}
