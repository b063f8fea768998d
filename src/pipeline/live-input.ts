/** What a caller asks of a live or a pushed stream, checked, with the settings' values where nothing was asked. */
import type { Config } from '../config.ts';
import type { LiveFacts, Sampling } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { CheckedAddress } from '../ingest/index.ts';
import { checkNumber, checkSampling, checkWords, MAX_NAME_LENGTH } from './stream-words.ts';
import type { LiveInput, OpenInput } from './types.ts';

/** Fast enough to follow a face's expression, and slow enough for several streams on two cores. */
export const LIVE_FRAMES_PER_SECOND = 5;

type Settings = Pick<Config, 'smoothingSeconds' | 'trackMissSeconds'>;

export interface CheckedInput {
  readonly name: string;
  readonly labels: readonly string[];
  readonly retentionDays: number | null;
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
    rtspTransport: 'AUTO',
    maxWidthPixels,
    smoothingSeconds,
    trackMissSeconds,
    reconnects: 0,
    retry: null,
  };
  return { ...checkWords(input), live };
}

/** What is asked of an address. Errors: BAD_INPUT. */
export function checkLiveInput(
  asked: LiveInput,
  { kind, shownUrl }: CheckedAddress,
  settings: Settings,
): CheckedInput & { readonly sampling: Sampling } {
  const input = { ...asked, name: asked.name ?? shownUrl.slice(0, MAX_NAME_LENGTH) };
  const sampling: Sampling = { kind: 'RATE', framesPerSecond: input.framesPerSecond ?? LIVE_FRAMES_PER_SECOND };
  checkSampling(sampling);
  const { delivery = 'LATEST', rtspTransport = 'AUTO' } = input;
  if (rtspTransport !== 'AUTO' && kind !== 'RTSP') {
    throw new AppError('BAD_INPUT', 'rtspTransport is for addresses of RTSP alone; leave it out.');
  }
  const { live, ...words } = checkOpenInput(input, settings);
  return { ...words, sampling, live: { ...live, address: shownUrl, delivery, rtspTransport } };
}

function given({ smoothingSeconds, trackMissSeconds }: OpenInput): Partial<Settings> {
  return {
    ...(smoothingSeconds === undefined ? {} : { smoothingSeconds }),
    ...(trackMissSeconds === undefined ? {} : { trackMissSeconds }),
  };
}
