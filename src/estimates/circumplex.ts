/** Geometry of Russell's circumplex: valence to the right, arousal upwards. */
import type { Affect, Quadrant } from '../domain.ts';

/**
 * Intensity below which an estimate is called NEUTRAL. AffectNet's faces labelled neutral lie at (-0.03, -0.02) on the
 * average, and of its other expressions none has its mean closer than 0.6 to the centre; 0.15 stays well below that and
 * above the offset of the neutral mean.
 */
export const DEFAULT_NEUTRAL_RADIUS = 0.15;

/** Distance from the centre, [0, 1]; the corners of the square, which lie farther out, count as 1. */
export function intensity({ valence, arousal }: Affect): number {
  return Math.min(1, Math.hypot(valence, arousal));
}

/** Direction in (-180, 180]: 0 pleasant, 90 activated, 180 unpleasant, -90 deactivated; `null` at the very centre. */
export function angleDegrees({ valence, arousal }: Affect): number | null {
  if (valence === 0 && arousal === 0) return null;
  const degrees = (Math.atan2(arousal, valence) * 180) / Math.PI;
  // An arousal of -0, or one that rounding swallows, would give the same direction a second name.
  return degrees === -180 ? 180 : degrees;
}

/**
 * EXCITED (pleasant, activated), DISTRESSED (unpleasant, activated), DEPRESSED (unpleasant, deactivated), CALM (pleasant,
 * deactivated), or NEUTRAL where the intensity is less than `neutralRadius` or is zero. A value on an axis counts as
 * pleasant or as activated.
 */
export function quadrant(affect: Affect, neutralRadius: number = DEFAULT_NEUTRAL_RADIUS): Quadrant {
  const distance = intensity(affect);
  if (distance === 0 || distance < neutralRadius) return 'NEUTRAL';
  if (affect.arousal >= 0) return affect.valence >= 0 ? 'EXCITED' : 'DISTRESSED';
  return affect.valence >= 0 ? 'CALM' : 'DEPRESSED';
}
