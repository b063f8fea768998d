/** How far a stream is, from what is stored and, while it runs, from the clock. */
import type { FrameEstimate, MediaFacts, StreamRecord } from '../domain.ts';
import type { StreamProgress } from './types.ts';

/** What is stored of a stream. */
export interface StoredFigures {
  readonly frames: number;
  readonly faces: number;
  /** Frames that a live stream left out. */
  readonly skipped: number;
  /** `null` before the first frame. */
  readonly lastPtsSeconds: number | null;
}

/** A running job's own count, moved on frame by frame so that asking costs no query. */
export class LiveProgress {
  #frames: number;
  #faces: number;
  #skipped: number;
  #lastPtsSeconds: number | null;
  #beganAtMs = performance.now();
  /** `null` until a source that has no length gives a frame: how long it was away is no work. */
  #beganAtPtsSeconds: number | null;
  readonly #media: MediaFacts | null;

  /** `media` is `null` for a source that has no length. */
  constructor(media: MediaFacts | null, stored: StoredFigures) {
    this.#media = media;
    this.#frames = stored.frames;
    this.#faces = stored.faces;
    this.#skipped = stored.skipped;
    this.#lastPtsSeconds = stored.lastPtsSeconds;
    this.#beganAtPtsSeconds = media === null ? null : (stored.lastPtsSeconds ?? media.startSeconds ?? 0);
  }

  /** Frames that are stored. */
  get framesDone(): number {
    return this.#frames;
  }

  /** Counts a frame that is stored. */
  frameStored({ ptsSeconds, faces, skippedBefore }: FrameEstimate): void {
    this.#frames += 1;
    this.#faces += faces.length;
    this.#skipped += skippedBefore;
    this.#lastPtsSeconds = ptsSeconds;
    if (this.#beganAtPtsSeconds !== null) return;
    this.#beganAtPtsSeconds = ptsSeconds;
    this.#beganAtMs = performance.now();
  }

  now(): StreamProgress {
    const figures = {
      frames: this.#frames,
      faces: this.#faces,
      skipped: this.#skipped,
      lastPtsSeconds: this.#lastPtsSeconds,
    };
    const still = progressAtRest({ media: this.#media, status: 'RUNNING' }, figures);
    const elapsedSeconds = (performance.now() - this.#beganAtMs) / 1000;
    const gainedSeconds = (this.#lastPtsSeconds ?? 0) - (this.#beganAtPtsSeconds ?? this.#lastPtsSeconds ?? 0);
    if (gainedSeconds <= 0 || elapsedSeconds <= 0) return still;
    const speed = gainedSeconds / elapsedSeconds;
    const { mediaSecondsTotal: total, mediaSecondsDone: done } = still;
    return { ...still, speed, etaSeconds: total === null ? null : Math.max(0, total - done) / speed };
  }
}

/** The progress of a stream that is not at work: queued, ended, or of a server that has just started. */
export function progressAtRest(stream: Pick<StreamRecord, 'media' | 'status'>, stored: StoredFigures): StreamProgress {
  const { media, status } = stream;
  const total = media?.durationSeconds ?? null;
  const reached = stored.lastPtsSeconds === null ? 0 : stored.lastPtsSeconds - (media?.startSeconds ?? 0);
  const done = Math.max(0, reached);
  const share = total === null || total <= 0 ? null : Math.min(1, done / total);
  return {
    framesDone: stored.frames,
    facesFound: stored.faces,
    framesSkipped: stored.skipped,
    mediaSecondsDone: done,
    mediaSecondsTotal: total,
    share: status === 'COMPLETED' ? 1 : share,
    speed: null,
    etaSeconds: null,
  };
}
