import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { angleDegrees, DEFAULT_NEUTRAL_RADIUS, intensity, quadrant } from '../../src/estimates/index.ts';

const axis = fc.double({ min: -1, max: 1, noNaN: true });
const affect = fc.record({ valence: axis, arousal: axis });
const radius = fc.double({ min: 0, max: 1, noNaN: true });

describe('the circumplex', () => {
  it.each([
    [0.5, 0.5, 'EXCITED', 45],
    [-0.5, 0.5, 'DISTRESSED', 135],
    [-0.5, -0.5, 'DEPRESSED', -135],
    [0.5, -0.5, 'CALM', -45],
    [1, 0, 'EXCITED', 0],
    [0, 1, 'EXCITED', 90],
    [-1, 0, 'DISTRESSED', 180],
    [-1, -0, 'DISTRESSED', 180],
    [0, -1, 'CALM', -90],
    [0.1, 0.1, 'NEUTRAL', 45],
  ] as const)('names %f, %f as %s at %f degrees', (valence, arousal, name, degrees) => {
    expect(quadrant({ valence, arousal })).toBe(name);
    expect(angleDegrees({ valence, arousal })).toBeCloseTo(degrees, 9);
  });

  it('has no angle and no quadrant at the very centre, even without a dead zone', () => {
    for (const zero of [0, -0]) {
      expect(angleDegrees({ valence: zero, arousal: 0 })).toBeNull();
      expect(quadrant({ valence: zero, arousal: 0 }, 0)).toBe('NEUTRAL');
    }
  });

  it('keeps intensity in [0, 1] and the angle in (-180, 180]', () => {
    fc.assert(
      fc.property(affect, (value) => {
        expect(intensity(value)).toBeGreaterThanOrEqual(0);
        expect(intensity(value)).toBeLessThanOrEqual(1);
        const degrees = angleDegrees(value);
        if (degrees === null) return;
        expect(degrees).toBeGreaterThan(-180);
        expect(degrees).toBeLessThanOrEqual(180);
      }),
    );
  });

  it('gives back the point from intensity and angle inside the unit circle', () => {
    fc.assert(
      fc.property(affect, (value) => {
        const degrees = angleDegrees(value);
        fc.pre(degrees !== null && Math.hypot(value.valence, value.arousal) <= 1);
        const radians = (degrees! * Math.PI) / 180;
        expect(intensity(value) * Math.cos(radians)).toBeCloseTo(value.valence, 9);
        expect(intensity(value) * Math.sin(radians)).toBeCloseTo(value.arousal, 9);
      }),
    );
  });

  it('is neutral exactly inside the dead zone', () => {
    fc.assert(
      fc.property(affect, radius, (value, neutralRadius) => {
        const distance = intensity(value);
        const expected = distance === 0 || distance < neutralRadius;
        expect(quadrant(value, neutralRadius) === 'NEUTRAL').toBe(expected);
      }),
    );
    expect(quadrant({ valence: DEFAULT_NEUTRAL_RADIUS, arousal: 0 })).toBe('EXCITED');
  });
});
