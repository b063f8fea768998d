/** The limits of what a caller may say of a stream, whatever feeds it. */
import type { Sampling } from '../domain.ts';
import { AppError } from '../errors.ts';

export const MAX_NAME_LENGTH = 200;
const MAX_LABELS = 20;
const MAX_LABEL_LENGTH = 100;
/** A century: a typing error rather than a wish. */
export const MAX_RETENTION_DAYS = 36_500;
/** Above any camera's rate; a source is never sampled more often than it has frames, whatever is asked. */
export const MAX_FRAMES_PER_SECOND = 1000;

/** What every stream may be given, whatever feeds it. */
interface Words {
  readonly name: string;
  readonly labels?: readonly string[];
  readonly retentionDays?: number;
}

/** Checks name, labels and retention, trims the name, and says what was not given. Errors: BAD_INPUT. */
export function checkWords(words: Words): {
  readonly name: string;
  readonly labels: readonly string[];
  readonly retentionDays: number | null;
} {
  const name = words.name.trim();
  if (name === '' || name.length > MAX_NAME_LENGTH) {
    throw new AppError('BAD_INPUT', `The name must have 1 to ${MAX_NAME_LENGTH} characters; it has ${name.length}.`);
  }
  const labels = words.labels ?? [];
  if (labels.length > MAX_LABELS) {
    throw new AppError('BAD_INPUT', `A stream takes at most ${MAX_LABELS} labels; ${labels.length} were given.`);
  }
  if (labels.some((label) => label === '' || label.length > MAX_LABEL_LENGTH)) {
    throw new AppError('BAD_INPUT', `Each label must have 1 to ${MAX_LABEL_LENGTH} characters.`);
  }
  const { retentionDays = null } = words;
  if (retentionDays !== null) {
    checkNumber('retentionDays', retentionDays, { above: 0, max: MAX_RETENTION_DAYS, unit: 'days' });
  }
  return { name, labels, retentionDays };
}

/** Errors: BAD_INPUT for a rate that is not above 0 and at most {@link MAX_FRAMES_PER_SECOND}. */
export function checkSampling(sampling: Sampling): void {
  if (sampling.kind === 'EVERY_FRAME') return;
  checkNumber('The rate', sampling.framesPerSecond, { above: 0, max: MAX_FRAMES_PER_SECOND, unit: 'frames a second' });
}

/** Errors: BAD_INPUT for a number outside its range. */
export function checkNumber(
  what: string,
  value: number,
  range: { readonly max: number; readonly unit: string } & ({ readonly above: number } | { readonly min: number }),
): void {
  const [low, fits] =
    'above' in range ? [`above ${range.above}`, value > range.above] : [`at least ${range.min}`, value >= range.min];
  if (fits && value <= range.max) return;
  throw new AppError('BAD_INPUT', `${what} must be ${low} and at most ${range.max} ${range.unit}; it is ${value}.`);
}
