/** The limits of what a caller may ask of a video job. */
import type { Sampling } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { VideoInput } from './types.ts';

const MAX_NAME_LENGTH = 200;
const MAX_LABELS = 20;
const MAX_LABEL_LENGTH = 100;
/** A century: a typing error rather than a wish. */
export const MAX_RETENTION_DAYS = 36_500;
/** Above any camera's rate; a file is never sampled more often than it has frames, whatever is asked. */
export const MAX_FRAMES_PER_SECOND = 1000;

/** Checks the words and numbers of a request and trims its name. Errors: BAD_INPUT. */
export function checkVideoInput(input: VideoInput): { readonly name: string; readonly labels: readonly string[] } {
  const name = input.name.trim();
  if (name === '' || name.length > MAX_NAME_LENGTH) {
    throw new AppError('BAD_INPUT', `The name must have 1 to ${MAX_NAME_LENGTH} characters; it has ${name.length}.`);
  }
  const labels = input.labels ?? [];
  if (labels.length > MAX_LABELS) {
    throw new AppError('BAD_INPUT', `A stream takes at most ${MAX_LABELS} labels; ${labels.length} were given.`);
  }
  if (labels.some((label) => label === '' || label.length > MAX_LABEL_LENGTH)) {
    throw new AppError('BAD_INPUT', `Each label must have 1 to ${MAX_LABEL_LENGTH} characters.`);
  }
  checkSampling(input.sampling);
  checkRetention(input.retentionDays);
  return { name, labels };
}

/** Errors: BAD_INPUT for a limit that is not above 0 and at most {@link MAX_RETENTION_DAYS}. */
function checkRetention(retentionDays: number | undefined): void {
  if (retentionDays === undefined || (retentionDays > 0 && retentionDays <= MAX_RETENTION_DAYS)) return;
  throw new AppError(
    'BAD_INPUT',
    `retentionDays must be above 0 and at most ${MAX_RETENTION_DAYS}; it is ${retentionDays}.`,
  );
}

/** Errors: BAD_INPUT for a rate that is not above 0 and at most {@link MAX_FRAMES_PER_SECOND}. */
export function checkSampling(sampling: Sampling): void {
  if (sampling.kind === 'EVERY_FRAME') return;
  const { framesPerSecond } = sampling;
  if (!(framesPerSecond > 0 && framesPerSecond <= MAX_FRAMES_PER_SECOND)) {
    throw new AppError(
      'BAD_INPUT',
      `The rate must be above 0 and at most ${MAX_FRAMES_PER_SECOND} frames a second; it is ${framesPerSecond}.`,
    );
  }
}
