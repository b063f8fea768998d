import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { overlap } from '../../src/faces/geometry.ts';
import { createTracker, type Tracker } from '../../src/faces/index.ts';
import { faceAt } from './support.ts';

const OPTIONS = { newTrackScore: 0.7, maxMissSeconds: 1 };

function at(x: number, y = 0.3, score = 0.9) {
  return faceAt({ x, y, width: 0.1, height: 0.15 }, score);
}

function numbers(tracker: Tracker, ptsSeconds: number, faces: readonly ReturnType<typeof at>[]): number[] {
  return tracker.update(ptsSeconds, faces).map(({ trackNumber }) => trackNumber);
}

describe('track numbers', () => {
  test('a face keeps its number when another leaves and when one arrives', () => {
    const tracker = createTracker(OPTIONS);
    expect(numbers(tracker, 0, [at(0.1), at(0.4), at(0.7)])).toEqual([1, 2, 3]);
    expect(numbers(tracker, 0.04, [at(0.41), at(0.71)])).toEqual([2, 3]);
    expect(numbers(tracker, 0.08, [at(0.72), at(0.42), at(0.9)])).toEqual([3, 2, 4]);
  });

  test('a face that is away for less than the limit comes back under its number, later it is a new one', () => {
    const tracker = createTracker(OPTIONS);
    numbers(tracker, 0, [at(0.4)]);
    for (let step = 1; step <= 9; step++) numbers(tracker, step / 10, []);
    expect(numbers(tracker, 0.95, [at(0.42)])).toEqual([1]);
    for (let step = 1; step <= 12; step++) numbers(tracker, 0.95 + step / 10, []);
    expect(numbers(tracker, 2.2, [at(0.42)])).toEqual([2]);
  });

  test('two faces that pass each other keep their numbers', () => {
    const tracker = createTracker(OPTIONS);
    for (let step = 0; step <= 40; step++) {
      const right = at(0.1 + step * 0.015, 0.3);
      const left = at(0.7 - step * 0.015, 0.36);
      expect(numbers(tracker, step / 25, [right, left])).toEqual([1, 2]);
    }
  });

  test('one frame a second still tracks', () => {
    const tracker = createTracker(OPTIONS);
    for (let second = 0; second < 5; second++)
      expect(numbers(tracker, second * 1.2, [at(0.3 + second * 0.03)])).toEqual([1]);
  });

  test('a doubtful face goes on with a track but starts none', () => {
    const tracker = createTracker(OPTIONS);
    expect(numbers(tracker, 0, [at(0.4, 0.3, 0.6)])).toEqual([]);
    expect(numbers(tracker, 0.1, [at(0.4)])).toEqual([1]);
    expect(numbers(tracker, 0.2, [at(0.4, 0.3, 0.55), at(0.8, 0.3, 0.6)])).toEqual([1]);
  });

  test('a face far away or of another size is another face', () => {
    const tracker = createTracker(OPTIONS);
    numbers(tracker, 0, [at(0.1)]);
    expect(numbers(tracker, 0.04, [at(0.6)])).toEqual([2]);
    expect(numbers(tracker, 0.08, [faceAt({ x: 0.55, y: 0.2, width: 0.3, height: 0.45 })])).toEqual([3]);
  });

  test('a clock that jumps back does not lose the faces', () => {
    const tracker = createTracker(OPTIONS);
    numbers(tracker, 100, [at(0.4)]);
    expect(numbers(tracker, 3, [at(0.41)])).toEqual([1]);
    expect(numbers(tracker, 3.04, [at(0.42)])).toEqual([1]);
  });

  test('after a clock has jumped back time goes on: a face away for too long is a new one', () => {
    const tracker = createTracker(OPTIONS);
    numbers(tracker, 100, [at(0.4)]);
    numbers(tracker, 3, [at(0.4)]);
    for (let step = 1; step <= 12; step++) numbers(tracker, 3 + step / 10, []);
    expect(numbers(tracker, 4.3, [at(0.4)])).toEqual([2]);
  });

  test('a face hidden behind another that passes has its number when it comes out', () => {
    const tracker = createTracker(OPTIONS);
    for (let step = 0; step <= 50; step++) {
      const walker = at(0.05 + step * 0.016);
      const hidden = Math.abs(walker.box.x - 0.45) < 0.06;
      expect(numbers(tracker, step / 25, hidden ? [walker] : [walker, at(0.45)])).toEqual(hidden ? [1] : [1, 2]);
    }
  });
});

test('an interrupted stream goes on with its numbers and never gives one out again', () => {
  const tracker = createTracker({
    ...OPTIONS,
    resume: { nextTrackNumber: 8, ptsSeconds: 10, tracks: [{ trackNumber: 5, box: at(0.4).box, ptsSeconds: 10 }] },
  });
  expect(numbers(tracker, 10.04, [at(0.41), at(0.8)])).toEqual([5, 8]);
  expect(tracker.nextTrackNumber).toBe(9);
});

test('whatever comes, numbers are unique in a frame, new ones grow', () => {
  const scene = fc.array(
    fc.array(fc.tuple(fc.double({ min: 0, max: 0.9, noNaN: true }), fc.double({ min: 0.5, max: 1, noNaN: true })), {
      maxLength: 5,
    }),
    { minLength: 1, maxLength: 20 },
  );
  fc.assert(
    fc.property(scene, (frames) => {
      const tracker = createTracker(OPTIONS);
      let highest = 0;
      for (const [index, faces] of frames.entries()) {
        const before = tracker.nextTrackNumber;
        const given = numbers(
          tracker,
          index / 10,
          faces.map(([x, score]) => at(x, 0.3, score)),
        );
        expect(new Set(given).size).toBe(given.length);
        for (const number of given) if (number > highest) expect(number).toBeGreaterThanOrEqual(before);
        highest = Math.max(highest, ...given);
        expect(tracker.nextTrackNumber).toBeGreaterThan(highest);
      }
    }),
  );
});

test('interrupted anywhere and resumed from its sightings, a stream gets the numbers it would have got', () => {
  // Faces that wander, leave and come back, on frames 0.2 s apart; a score below .7 is a doubtful one.
  const step = fc.record({
    move: fc.double({ min: -0.03, max: 0.03, noNaN: true }),
    score: fc.constantFrom(0, 0.6, 0.9),
  });
  const walks = fc.array(fc.array(step, { minLength: 12, maxLength: 12 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(walks, fc.integer({ min: 1, max: 11 }), (paths, cut) => {
      const frames = Array.from({ length: 12 }, (_, index) =>
        paths.flatMap((path, row) => {
          const x = path.slice(0, index + 1).reduce((sum, { move }) => sum + move, 0.4);
          const { score } = path[index]!;
          return score === 0 ? [] : [at(x, 0.1 + row * 0.3, score)];
        }),
      );
      const whole = createTracker(OPTIONS);
      const wanted = frames.map((faces, index) => whole.update(index / 5, faces));
      const sightings = wanted
        .slice(0, cut)
        .flatMap((tracked, index) =>
          tracked.map(({ trackNumber, face }) => ({ trackNumber, box: face.box, ptsSeconds: index / 5 })),
        );
      const resumed = createTracker({
        ...OPTIONS,
        resume: {
          nextTrackNumber: 1 + Math.max(0, ...sightings.map(({ trackNumber }) => trackNumber)),
          ptsSeconds: (cut - 1) / 5,
          tracks: sightings,
        },
      });
      for (let index = cut; index < frames.length; index++)
        expect(resumed.update(index / 5, frames[index]!)).toEqual(wanted[index]);
    }),
  );
});

test('a face lost before the interruption does not come back under its number after a long gap', () => {
  const tracker = createTracker({
    ...OPTIONS,
    resume: { nextTrackNumber: 2, ptsSeconds: 3, tracks: [{ trackNumber: 1, box: at(0.4).box, ptsSeconds: 1 }] },
  });
  expect(numbers(tracker, 8, [at(0.4)])).toEqual([2]);
});

test('frames that were asked for far apart keep their tracks, an interruption does not', () => {
  for (const [maxGapSeconds, wanted] of [
    [undefined, 1],
    [30, 1],
    [10, 2],
  ] as const) {
    const tracker = createTracker({ ...OPTIONS, ...(maxGapSeconds === undefined ? {} : { maxGapSeconds }) });
    numbers(tracker, 0, [at(0.4)]);
    expect(numbers(tracker, 20, [at(0.4)])).toEqual([wanted]);
  }
});

describe('a face that stays where it is keeps its number', () => {
  /** Left of the face at 0.45 and right of it, so many of its widths away. */
  const beside = (widths: number, score = 0.9) => ({
    left: at(0.45 - 0.1 * widths, 0.3, score),
    right: at(0.45 + 0.1 * widths, 0.3, score),
  });

  test.each([
    ['at one frame a second', 1.5, 1, 1],
    ['at one frame a second, further off', 1.9, 1, 1],
    ['at two frames a second, half a second after the neighbour has left', 1.2, 0.5, 2],
    ['at five frames a second, heads touching', 0.95, 0.2, 1],
    ['at 25 frames a second, heads touching, the neighbour hidden for 0.4 s', 0.95, 0.04, 10],
  ])(
    'when a neighbour leaves on one side and another comes on the other, %s',
    (_, widths, stepSeconds, absentSteps) => {
      const tracker = createTracker(OPTIONS);
      const { left, right } = beside(widths);
      expect(numbers(tracker, 0, [at(0.45), left])).toEqual([1, 2]);
      for (let step = 1; step < absentSteps; step++) numbers(tracker, step * stepSeconds, [at(0.45)]);
      expect(numbers(tracker, absentSteps * stepSeconds, [at(0.45), right])[0]).toBe(1);
      expect(numbers(tracker, (absentSteps + 1) * stepSeconds, [at(0.45)])).toEqual([1]);
    },
  );

  test('when it is doubtful while a sure one comes beside it', () => {
    const tracker = createTracker(OPTIONS);
    numbers(tracker, 0, [at(0.45)]);
    expect(numbers(tracker, 0.2, [at(0.45, 0.3, 0.65), beside(0.95).right])).toEqual([1, 2]);
    expect(numbers(tracker, 0.4, [at(0.45), beside(0.95).right])).toEqual([1, 2]);
  });

  test('whatever others do that do not overlap it', () => {
    const score = fc.constantFrom(0.6, 0.9);
    const other = fc.record({
      x: fc.double({ min: 0, max: 0.9, noNaN: true }),
      y: fc.double({ min: 0, max: 0.8, noNaN: true }),
      width: fc.double({ min: 0.04, max: 0.3, noNaN: true }),
      score,
    });
    const frame = fc.record({ others: fc.array(other, { maxLength: 6 }), score, place: fc.nat() });
    const stay = at(0.45).box;
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 15 }),
        fc.constantFrom(0.04, 0.2, 0.5, 1, 5),
        (frames, stepSeconds) => {
          const tracker = createTracker(OPTIONS);
          numbers(tracker, 0, [at(0.45)]);
          for (const [index, { others, place, score: own }] of frames.entries()) {
            const faces = others
              .map((one) => faceAt({ ...one, height: one.width * 1.5 }, one.score))
              .filter(({ box }) => overlap(box, stay) === 0);
            const staying = at(0.45, 0.3, own);
            faces.splice(place % (faces.length + 1), 0, staying);
            const tracked = tracker.update((index + 1) * stepSeconds, faces);
            expect(tracked.find(({ face }) => face === staying)?.trackNumber).toBe(1);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
