import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DetectedFace, FrameEstimate, StreamRecord } from '../../src/domain.ts';
import { createTracker } from '../../src/faces/index.ts';
import { readPast } from '../../src/pipeline/resume.ts';
import type { Store } from '../../src/store/index.ts';

const FRAMES_PER_SECOND = 10;
const TRACK_MISS_SECONDS = 1;

function face(x: number, y: number): DetectedFace {
  const point = { x, y };
  const landmarks = {
    rightEye: point,
    leftEye: point,
    noseTip: point,
    mouthCentre: point,
    rightEar: null,
    leftEar: null,
  };
  return { box: { x, y, width: 0.1, height: 0.1 }, landmarks, score: 0.9 };
}

/** People who walk at a steady speed, each in a lane of its own, and who are out of sight in some frames. */
const walks = fc.array(
  fc.record({
    x: fc.double({ min: 0, max: 0.9, noNaN: true }),
    speed: fc.double({ min: -0.04, max: 0.04, noNaN: true }),
    hidden: fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
  }),
  { minLength: 1, maxLength: 4 },
);

function facesAt(people: readonly { x: number; speed: number; hidden: readonly boolean[] }[], frame: number) {
  return people.flatMap(({ x, speed, hidden }, lane) =>
    hidden[frame] === true ? [] : [face(x + speed * frame, lane * 0.2)],
  );
}

const stream = {
  id: 's',
  sampling: { kind: 'RATE', framesPerSecond: FRAMES_PER_SECOND },
  media: null,
} as unknown as StreamRecord;

/** The two questions that resuming puts to the store, answered from memory. */
function storeOf(frames: readonly FrameEstimate[], nextTrackNumber: number): Store {
  const last = frames.at(-1)!;
  return {
    progress: async () => ({
      frames: frames.length,
      faces: 0,
      lastSequence: last.sequence,
      lastPtsSeconds: last.ptsSeconds,
      nextTrackNumber,
    }),
    lastFrames: async (_id: string, seconds: number) =>
      frames.filter(({ ptsSeconds }) => ptsSeconds >= last.ptsSeconds - seconds),
  } as unknown as Store;
}

describe('readPast', () => {
  it('lets a tracker go on with the numbers that it would have given without the interruption', async () => {
    await fc.assert(
      fc.asyncProperty(walks, fc.integer({ min: 1, max: 58 }), async (people, cut) => {
        const options = { newTrackScore: 0.7, maxMissSeconds: TRACK_MISS_SECONDS };
        const whole = createTracker(options);
        const numbers: number[][] = [];
        const stored: FrameEstimate[] = [];
        let nextAtCut = 1;
        for (let frame = 0; frame < 60; frame++) {
          const tracked = whole.update(frame / FRAMES_PER_SECOND, facesAt(people, frame));
          numbers.push(tracked.map(({ trackNumber }) => trackNumber));
          if (frame > cut) continue;
          nextAtCut = whole.nextTrackNumber;
          const faces = tracked.map(({ trackNumber, face: { box } }) => ({ trackNumber, box, smoothed: null }));
          stored.push({ sequence: frame, ptsSeconds: frame / FRAMES_PER_SECOND, faces } as unknown as FrameEstimate);
        }
        const past = await readPast(storeOf(stored, nextAtCut), stream, TRACK_MISS_SECONDS);
        expect(past.resumeAfter).toEqual({ sequence: cut, ptsSeconds: cut / FRAMES_PER_SECOND });
        const { nextTrackNumber, sightings: tracks } = past;
        const resume = { nextTrackNumber, tracks, ptsSeconds: past.lastPtsSeconds! };
        const resumed = createTracker({ ...options, resume });
        for (let frame = cut + 1; frame < 60; frame++) {
          const tracked = resumed.update(frame / FRAMES_PER_SECOND, facesAt(people, frame));
          expect(tracked.map(({ trackNumber }) => trackNumber)).toEqual(numbers[frame]);
        }
      }),
      { numRuns: 200 },
    );
  });
});
