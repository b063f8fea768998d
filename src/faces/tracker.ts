import type { Box, DetectedFace } from '../domain.ts';
import { assign } from './assignment.ts';
import { overlap } from './geometry.ts';

export interface TrackerOptions {
  /** A face starts a track at this score or above; one below only goes on with a track. [0, 1] */
  readonly newTrackScore: number;
  /** A face that is away for longer than this loses its number. Seconds, above 0. */
  readonly maxMissSeconds: number;
  /**
   * Frames that lie further apart than this were interrupted: what happened in between nobody saw, and tracks are not kept
   * over it for longer than `maxMissSeconds`. Default no limit, as in a file, where frames that are far apart were asked
   * for so. Seconds, above 0; asked anew at each frame, since a source may turn out to be slower.
   */
  readonly maxGapSeconds?: number;
  /**
   * What an interrupted stream had; without it the numbers begin at 1. `tracks` are sightings in the order of their
   * times, the more the better a track's motion is known; `ptsSeconds` is the time of the last frame, with faces or not.
   */
  readonly resume?: {
    readonly nextTrackNumber: number;
    readonly ptsSeconds?: number;
    readonly tracks: readonly { readonly trackNumber: number; readonly box: Box; readonly ptsSeconds: number }[];
  };
}

/** Gives the faces of a stream's frames their track numbers. One for each stream. */
export interface Tracker {
  /**
   * The faces of the next frame that belong to a track, in the order of `faces`. Doubtful faces that continue none are
   * left out. A clock that jumps back counts as no time gone by, and goes on from where it jumped to.
   */
  update<T extends DetectedFace>(
    ptsSeconds: number,
    faces: readonly T[],
  ): readonly { readonly trackNumber: number; readonly face: T }[];
  /** The number that the next new track will get. */
  readonly nextTrackNumber: number;
}

interface Track {
  readonly number: number;
  box: Box;
  seenAtSeconds: number;
  /** Of the box's centre, in picture sides a second. */
  velocityX: number;
  velocityY: number;
}

/**
 * Overlap of a face with the place where its track is expected that settles whose it is. Two boxes that do not overlap each
 * other cannot both share more with a third (Kirillov et al. 2019, "Panoptic Segmentation", 4.1), so nobody else's coming or
 * going takes such a face its track.
 */
const CLOSE_OVERLAP = 0.5;
/** Cost of a pair that may not be. */
const FORBIDDEN = Number.POSITIVE_INFINITY;
/** Cost of two that lie as far apart as they may. */
const DEAREST_REACH = 2;
/** Without overlap a face may have moved by so many of its own sizes, and by so many more for each second away. */
const REACH = 0.5;
const REACH_A_SECOND = 1.5;
const MAX_REACH = 2;
/** Between two sightings a face grows or shrinks by at most this factor. */
const MAX_GROWTH = 2;
/** A doubtful face must lie where its track is expected. */
const DOUBTFUL_OVERLAP = 0.25;
/** A track that the last frame did not show is the less likely one, as where one face passes in front of another. */
const ABSENCE = 0.3;
/** Share of the newest motion in a track's velocity. */
const VELOCITY_SHARE = 0.4;
/** Motion is not believed for longer than this: faces turn back. Seconds. */
const MAX_PREDICTION_SECONDS = 0.5;
/** A track outlives the gap between two frames whatever `maxMissSeconds` is, so that one frame a second still tracks. */
const GAPS_SURVIVED = 1.5;

/**
 * Sure faces are matched to tracks first, then the doubtful ones to the tracks that are left, as in ByteTrack (Zhang et al.
 * 2022), each time by the cheapest assignment over overlap and distance from the predicted place. What lies close goes
 * before what is within reach: in one assignment a face that stays would be handed on where that makes a pair more.
 */
export function createTracker(options: TrackerOptions): Tracker {
  let next = options.resume?.nextTrackNumber ?? 1;
  let tracks: Track[] = [];
  let lastSeconds: number | null = options.resume?.ptsSeconds ?? null;
  /** What the media's clock has jumped back by so far: times in here never do. */
  let jumpedBackSeconds = 0;
  for (const { trackNumber, box, ptsSeconds } of options.resume?.tracks ?? []) {
    const known = tracks.find(({ number }) => number === trackNumber);
    if (known === undefined) tracks.push(newTrack(trackNumber, box, ptsSeconds));
    else follow(known, box, ptsSeconds);
    lastSeconds = Math.max(lastSeconds ?? ptsSeconds, ptsSeconds);
  }
  // As it would be without the interruption: the lost ones forgotten, the others in the order in which they began.
  tracks = tracks
    .filter(({ seenAtSeconds }) => (lastSeconds ?? 0) - seenAtSeconds <= options.maxMissSeconds)
    .sort((a, b) => a.number - b.number);

  return {
    get nextTrackNumber() {
      return next;
    },
    update(ptsSeconds, faces) {
      jumpedBackSeconds += Math.max(0, (lastSeconds ?? ptsSeconds) - (ptsSeconds + jumpedBackSeconds));
      const now = ptsSeconds + jumpedBackSeconds;
      const before = lastSeconds ?? now;
      const gapSeconds = now - before;
      lastSeconds = now;
      const isInterrupted = gapSeconds > (options.maxGapSeconds ?? Number.POSITIVE_INFINITY);
      const keepSeconds = Math.max(options.maxMissSeconds, isInterrupted ? 0 : GAPS_SURVIVED * gapSeconds);
      tracks = tracks.filter(({ seenAtSeconds }) => now - seenAtSeconds <= keepSeconds);

      const numbers = new Map<DetectedFace, number>();
      const pass = (wanted: readonly DetectedFace[], minOverlap: number): void => {
        const candidates = wanted.filter((face) => !numbers.has(face));
        const open = tracks.filter(({ number }) => ![...numbers.values()].includes(number));
        const costs = candidates.map((face) => open.map((track) => cost(track, face.box, { now, before, minOverlap })));
        // A face that stays alone costs as much as the dearest pair, as in DeepSORT (Wojke et al. 2017), and no more: a
        // pair more is not worth any number of bad ones.
        const alone = (minOverlap > 0 ? 1 - minOverlap : DEAREST_REACH) + ABSENCE;
        const clipped = costs.map((row) => row.map((pair) => Math.min(pair, alone)));
        for (const [row, column] of assign(clipped).entries()) {
          const track = open[column];
          if (track === undefined || costs[row]![column] === FORBIDDEN) continue;
          numbers.set(candidates[row]!, track.number);
          follow(track, candidates[row]!.box, now);
        }
      };
      const sure = faces.filter(({ score }) => score >= options.newTrackScore);
      const doubtful = faces.filter(({ score }) => score < options.newTrackScore);
      pass(sure, CLOSE_OVERLAP);
      pass(doubtful, CLOSE_OVERLAP);
      pass(sure, 0);
      pass(doubtful, DOUBTFUL_OVERLAP);
      for (const face of sure) {
        if (numbers.has(face)) continue;
        numbers.set(face, next);
        tracks.push(newTrack(next, face.box, now));
        next += 1;
      }
      return faces.flatMap((face) => {
        const trackNumber = numbers.get(face);
        return trackNumber === undefined ? [] : [{ trackNumber, face }];
      });
    },
  };
}

/** 0 for a perfect overlap, up to 1 while they touch, up to 2 within reach, FORBIDDEN beyond; absence costs extra. */
function cost(
  track: Track,
  box: Box,
  { now, before, minOverlap }: { readonly now: number; readonly before: number; readonly minOverlap: number },
): number {
  const growth = Math.sqrt((box.width * box.height) / Math.max(track.box.width * track.box.height, 1e-12));
  if (growth > MAX_GROWTH || growth < 1 / MAX_GROWTH) return FORBIDDEN;
  const awaySeconds = now - track.seenAtSeconds;
  const ahead = Math.min(awaySeconds, MAX_PREDICTION_SECONDS);
  const expected = { ...track.box, x: track.box.x + track.velocityX * ahead, y: track.box.y + track.velocityY * ahead };
  const shared = overlap(expected, box);
  if (shared < minOverlap) return FORBIDDEN;
  const absence = track.seenAtSeconds < before ? ABSENCE : 0;
  if (shared > 0) return 1 - shared + absence;
  // In units of the face's own width and height, so that the picture's shape does not matter.
  const away = Math.hypot(
    (centreX(box) - centreX(expected)) / Math.max(box.width, expected.width),
    (centreY(box) - centreY(expected)) / Math.max(box.height, expected.height),
  );
  const reach = Math.min(MAX_REACH, REACH + REACH_A_SECOND * awaySeconds);
  return away <= reach ? 1 + away / MAX_REACH + absence : FORBIDDEN;
}

function newTrack(number: number, box: Box, seenAtSeconds: number): Track {
  return { number, box, seenAtSeconds, velocityX: 0, velocityY: 0 };
}

function follow(track: Track, box: Box, now: number): void {
  const seconds = now - track.seenAtSeconds;
  if (seconds > 0) {
    const x = (centreX(box) - centreX(track.box)) / seconds;
    const y = (centreY(box) - centreY(track.box)) / seconds;
    track.velocityX += (x - track.velocityX) * VELOCITY_SHARE;
    track.velocityY += (y - track.velocityY) * VELOCITY_SHARE;
  }
  track.box = box;
  track.seenAtSeconds = now;
}

function centreX({ x, width }: Box): number {
  return x + width / 2;
}

function centreY({ y, height }: Box): number {
  return y + height / 2;
}
