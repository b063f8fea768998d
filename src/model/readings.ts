import { type CropReading, EXPRESSIONS } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { RawReadings } from './session.ts';

const CLASSES = EXPRESSIONS.length;

/**
 * Turns the network's numbers into readings: affect clamped to [-1, 1], probabilities scaled to add up to 1,
 * uncertainty at least 0, faceness in [0, 1]. Errors: WORKER_FAILED when a number is not finite or a face has no probability at all, because
 * such a batch cannot be told from a broken device.
 */
export function toReadings(raw: RawReadings, count: number): CropReading[] {
  return Array.from({ length: count }, (_, index) => {
    const valence = raw.affect[index * 2]!;
    const arousal = raw.affect[index * 2 + 1]!;
    const uncertainty = raw.uncertainty[index]!;
    const faceness = raw.faceness?.[index] ?? 1;
    const expressions = probabilities(raw.expressions.subarray(index * CLASSES, (index + 1) * CLASSES));
    if (![valence, arousal, uncertainty, faceness].every(Number.isFinite)) throw unusable();
    return {
      affect: { valence: clamp(valence), arousal: clamp(arousal) },
      expressions,
      uncertainty: Math.max(0, uncertainty),
      faceness: Math.min(1, Math.max(0, faceness)),
    };
  });
}

function probabilities(values: Float32Array): number[] {
  const positive = Array.from(values, (value) => Math.max(0, value));
  const sum = positive.reduce((total, value) => total + value, 0);
  if (!Number.isFinite(sum) || sum <= 0) throw unusable();
  return positive.map((value) => value / sum);
}

function clamp(value: number): number {
  return Math.min(1, Math.max(-1, value));
}

function unusable(): AppError {
  return new AppError(
    'WORKER_FAILED',
    'The model gave numbers that are not finite for these faces. Try them again; if it stays so, set ENGINE_PROVIDER=cpu.',
  );
}
