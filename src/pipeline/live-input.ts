/** What a caller asks of a live or a pushed stream, checked, with the settings' values where nothing was asked. */
import type { Config } from '../config.ts';
import type { LiveFacts, Sampling } from '../domain.ts';
import { AppError } from '../errors.ts';
import { checkNumber, checkSampling, checkWords } from './stream-words.ts';
import type { LiveInput, OpenInput } from './types.ts';

/** Fast enough to follow a face's expression, and slow enough for several streams on two cores. */
export const LIVE_FRAMES_PER_SECOND = 5;

type Settings = Pick<Config, 'smoothingSeconds' | 'trackMissSeconds'>;

export interface CheckedInput {
  readonly name: string;
  readonly labels: readonly string[];
  readonly retentionDays: number | null;
  /** Without its address, which is for the address gate to judge. */
  readonly live: LiveFacts;
}

/** Errors: BAD_INPUT. */
export function checkOpenInput(input: OpenInput, settings: Settings): CheckedInput {
  const { maxWidthPixels = null } = input;
  const { smoothingSeconds, trackMissSeconds } = { ...settings, ...given(input) };
  if (maxWidthPixels !== null) {
    if (!Number.isInteger(maxWidthPixels)) throw new AppError('BAD_INPUT', 'maxWidthPixels must be a whole number.');
    checkNumber('maxWidthPixels', maxWidthPixels, { min: 16, max: 8192, unit: 'pixels' });
  }
  checkNumber('smoothingSeconds', smoothingSeconds, { min: 0, max: 60, unit: 'seconds' });
  checkNumber('trackMissSeconds', trackMissSeconds, { min: 0.1, max: 60, unit: 'seconds' });
  const live: LiveFacts = {
    address: null,
    delivery: 'EVERY',
    maxWidthPixels,
    smoothingSeconds,
    trackMissSeconds,
    reconnects: 0,
    retry: null,
  };
  return { ...checkWords(input), live };
}

/** `input` with the name that it is to have. Errors: BAD_INPUT. */
export function checkLiveInput(
  input: LiveInput & OpenInput,
  settings: Settings,
): CheckedInput & { readonly sampling: Sampling } {
  const sampling: Sampling = { kind: 'RATE', framesPerSecond: input.framesPerSecond ?? LIVE_FRAMES_PER_SECOND };
  checkSampling(sampling);
  const { live, ...words } = checkOpenInput(input, settings);
  return { ...words, sampling, live: { ...live, delivery: input.delivery ?? 'LATEST' } };
}

function given({ smoothingSeconds, trackMissSeconds }: OpenInput): Partial<Settings> {
  return {
    ...(smoothingSeconds === undefined ? {} : { smoothingSeconds }),
    ...(trackMissSeconds === undefined ? {} : { trackMissSeconds }),
  };
}
