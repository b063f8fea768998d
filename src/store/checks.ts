import { AppError } from '../errors.ts';
import { MAX_PAGE, type TimeRange } from './types.ts';

/** Errors: BAD_INPUT. */
export function checkFirst(first: number): void {
  if (Number.isInteger(first) && first >= 1 && first <= MAX_PAGE) return;
  throw new AppError('BAD_INPUT', `first must be a whole number from 1 to ${MAX_PAGE}; it is ${first}.`);
}

/** Errors: BAD_INPUT for an end that is no number, RANGE_INVALID for a start after the end. */
export function checkRange({ fromSeconds, toSeconds }: TimeRange): void {
  for (const seconds of [fromSeconds, toSeconds]) {
    if (seconds !== undefined && !Number.isFinite(seconds))
      throw new AppError('BAD_INPUT', 'A time must be a finite number.');
  }
  if (fromSeconds !== undefined && toSeconds !== undefined && fromSeconds > toSeconds) {
    throw new AppError(
      'RANGE_INVALID',
      `The range starts at ${fromSeconds} s, after its end at ${toSeconds} s; swap them.`,
    );
  }
}
