import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Affect } from '../../src/domain.ts';
import { createSmoother } from '../../src/estimates/index.ts';

const affect = (): fc.Arbitrary<Affect> =>
  fc.record({
    valence: fc.double({ min: -1, max: 1, noNaN: true }),
    arousal: fc.double({ min: -1, max: 1, noNaN: true }),
  });
const past = (): fc.Arbitrary<readonly { gapSeconds: number; value: Affect }[]> =>
  fc.array(fc.record({ gapSeconds: fc.double({ min: 0.001, max: 3, noNaN: true }), value: affect() }), {
    minLength: 1,
    maxLength: 40,
  });

const step = { valence: 1, arousal: -1 };
const rest = { valence: 0, arousal: 0 };

describe('createSmoother', () => {
  it('lets the first value of a track pass through', () => {
    const smoother = createSmoother({ timeConstantSeconds: 0.5 });
    expect(smoother.smooth(1, 12.3, step)).toEqual(step);
  });

  it('follows a step by 63 % after one time constant, whatever the frame rate', () => {
    for (const framesPerSecond of [4, 25, 120]) {
      const smoother = createSmoother({ timeConstantSeconds: 1 });
      smoother.smooth(1, 0, rest);
      let smoothed = rest;
      for (let frame = 1; frame <= framesPerSecond; frame++) {
        smoothed = smoother.smooth(1, frame / framesPerSecond, step);
      }
      expect(smoothed.valence).toBeCloseTo(1 - Math.exp(-1), 6);
      expect(smoothed.arousal).toBeCloseTo(Math.exp(-1) - 1, 6);
    }
  });

  it('never leaves the range of the values it has seen', () => {
    fc.assert(
      fc.property(past(), fc.double({ min: 0, max: 2, noNaN: true }), (frames, timeConstantSeconds) => {
        const smoother = createSmoother({ timeConstantSeconds });
        const seen: number[] = [];
        let ptsSeconds = 0;
        for (const { gapSeconds, value } of frames) {
          ptsSeconds += gapSeconds;
          seen.push(value.valence);
          const { valence } = smoother.smooth(1, ptsSeconds, value);
          expect(valence).toBeGreaterThanOrEqual(Math.min(...seen) - 1e-12);
          expect(valence).toBeLessThanOrEqual(Math.max(...seen) + 1e-12);
        }
      }),
    );
  });

  it('goes on from the last smoothed values as if it had never stopped', () => {
    fc.assert(
      fc.property(past(), fc.nat(), (frames, cutSeed) => {
        const whole = createSmoother({ timeConstantSeconds: 0.5 });
        const cut = cutSeed % frames.length;
        let ptsSeconds = 0;
        let resumed = createSmoother({ timeConstantSeconds: 0.5 });
        for (const [index, { gapSeconds, value }] of frames.entries()) {
          ptsSeconds += gapSeconds;
          const expected = whole.smooth(7, ptsSeconds, value);
          expect(resumed.smooth(7, ptsSeconds, value)).toEqual(expected);
          if (index === cut) {
            const resume = [{ trackNumber: 7, ptsSeconds, smoothed: expected }];
            resumed = createSmoother({ timeConstantSeconds: 0.5, resume });
          }
        }
      }),
    );
  });

  it('starts afresh after a silence that leaves nothing of the past', () => {
    const smoother = createSmoother({ timeConstantSeconds: 0.5 });
    smoother.smooth(1, 0, rest);
    expect(smoother.smooth(1, smoother.memorySeconds, step)).toEqual(step);
  });

  it('keeps the smoothed value when time does not advance', () => {
    const smoother = createSmoother({ timeConstantSeconds: 0.5 });
    smoother.smooth(1, 5, rest);
    expect(smoother.smooth(1, 5, step)).toEqual(rest);
    expect(smoother.smooth(1, 4, step)).toEqual(rest);
  });

  it('leaves the values alone when it is switched off', () => {
    const smoother = createSmoother({ timeConstantSeconds: 0 });
    smoother.smooth(1, 0, rest);
    expect(smoother.smooth(1, 0.04, step)).toEqual(step);
  });

  it('smooths each track by itself', () => {
    const smoother = createSmoother({ timeConstantSeconds: 0.5 });
    smoother.smooth(1, 0, rest);
    expect(smoother.smooth(2, 0.04, step)).toEqual(step);
  });

  it('remembers a bounded number of tracks and forgets the one unseen for longest', () => {
    const smoother = createSmoother({ timeConstantSeconds: 0.5, maxTracks: 2 });
    smoother.smooth(1, 0, rest);
    smoother.smooth(2, 0, rest);
    smoother.smooth(1, 0.1, rest);
    smoother.smooth(3, 0.1, rest);
    expect(smoother.trackCount).toBe(2);
    expect(smoother.smooth(2, 0.2, step)).toEqual(step);
    smoother.forget(3);
    expect(smoother.trackCount).toBe(1);
  });
});
