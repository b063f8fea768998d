/** The errors of a source that calling it again will hardly change. */
import { AppError } from '../errors.ts';

const CALLS = 5;
/** Cameras lock an address out after some five wrong passwords. */
const LOGINS = 3;

/**
 * SOURCE_UNREACHABLE by a clear word of the source or of the name service. A source that has never shown a picture needs
 * no more than `maxCalls` calls in a row that end so; one that has may have been moved for a while.
 */
export class DefiniteError extends AppError {
  readonly maxCalls: number;

  constructor(
    message: string,
    { cause, maxCalls = CALLS }: { readonly cause?: unknown; readonly maxCalls?: number } = {},
  ) {
    super('SOURCE_UNREACHABLE', message, { cause });
    this.maxCalls = maxCalls;
  }
}

/** What a server says of its address by a status that is no success. `loginSent`: although it was given credentials. */
export function statusError(status: number, { loginSent }: { readonly loginSent: boolean }): AppError {
  if (status === 401) {
    const message = 'The source refused the credentials of the address.';
    return loginSent ? new DefiniteError(message, { maxCalls: LOGINS }) : new AppError('SOURCE_UNREACHABLE', message);
  }
  // No last word: a media server says so until somebody publishes there.
  if (status === 404) return new AppError('SOURCE_UNREACHABLE', 'The source has nothing at this address (404).');
  return new AppError('SOURCE_UNREACHABLE', `The source answers with status ${status}.`);
}
