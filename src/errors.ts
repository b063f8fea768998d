/**
 * Every way a request can fail, as one closed table. The code is what a client switches on; the message of each single
 * error says what happened and what to do.
 */

/** `status` is the HTTP status where the error is all of an answer; `retryable` means the same request may succeed later. */
interface ErrorKind {
  readonly status: number;
  readonly retryable: boolean;
  readonly meaning: string;
}

export const ERROR_KINDS = {
  BAD_INPUT: { status: 400, retryable: false, meaning: 'An argument has a value that cannot be used.' },
  CURSOR_INVALID: { status: 400, retryable: false, meaning: 'A cursor was not made by this server for this list.' },
  RANGE_INVALID: { status: 400, retryable: false, meaning: 'A range starts after its end.' },
  QUERY_TOO_COMPLEX: { status: 400, retryable: false, meaning: 'A query is too deep, too wide or too costly.' },
  UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    meaning: 'The request has no key, or one that is unknown or revoked.',
  },
  FORBIDDEN: { status: 403, retryable: false, meaning: 'The key may not do this.' },
  LIMIT_EXCEEDED: { status: 429, retryable: true, meaning: 'A limit of the key is reached.' },
  NOT_FOUND: { status: 404, retryable: false, meaning: 'No stream, image or upload has this id.' },
  MEDIA_UNSUPPORTED: { status: 415, retryable: false, meaning: 'The bytes are no picture or video that can be read.' },
  MEDIA_TOO_COSTLY: {
    status: 422,
    retryable: false,
    meaning: 'Decoding the medium takes more time or memory than it may have.',
  },
  MEDIA_DAMAGED: { status: 422, retryable: false, meaning: 'The medium is truncated or damaged.' },
  MEDIA_WITHOUT_VIDEO: { status: 422, retryable: false, meaning: 'The file has no video track.' },
  MEDIA_BLOCKED: { status: 403, retryable: false, meaning: 'The medium points at something that may not be opened.' },
  ADDRESS_REFUSED: { status: 403, retryable: false, meaning: 'The address may not be opened from here.' },
  SOURCE_UNREACHABLE: {
    status: 502,
    retryable: true,
    meaning: 'The source of a stream cannot be reached or ended.',
  },
  PICTURE_TOO_LARGE: { status: 413, retryable: false, meaning: 'The picture has more pixels than the limit.' },
  UPLOAD_TOO_LARGE: { status: 413, retryable: false, meaning: 'The upload has more bytes than the limit.' },
  UPLOAD_INCOMPLETE: { status: 400, retryable: true, meaning: 'The upload ended before it was complete.' },
  OVERLOADED: { status: 503, retryable: true, meaning: 'A bounded queue is full.' },
  ENGINE_UNAVAILABLE: { status: 503, retryable: true, meaning: 'The inference engine cannot run.' },
  WORKER_FAILED: {
    status: 500,
    retryable: true,
    meaning: 'A worker died twice over the same batch, or a network gave no usable answer.',
  },
  STORE_FAILED: { status: 500, retryable: true, meaning: 'The database refused a read or a write.' },
  FFMPEG_MISSING: { status: 500, retryable: false, meaning: 'ffmpeg or ffprobe cannot be started.' },
  CONFIG_INVALID: { status: 500, retryable: false, meaning: 'A setting has a value that cannot be used.' },
  ABORTED: { status: 499, retryable: true, meaning: 'The caller, or the shutdown of the server, ended the work.' },
  INTERNAL: { status: 500, retryable: true, meaning: 'Something that should not happen; the log has the cause.' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_KINDS;

/** The one error that leaves a folder's door. `message` is safe to show to a client; `cause` is for the log alone. */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** After how long the same may succeed, where that is known. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly retryAfterSeconds?: number } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'AppError';
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }

  get retryable(): boolean {
    return ERROR_KINDS[this.code].retryable;
  }
}

/** Turns whatever was thrown into an {@link AppError}; what is unknown becomes INTERNAL without its details. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new AppError('ABORTED', 'The work was ended before it was done.', { cause: thrown });
  }
  return new AppError('INTERNAL', 'Something failed inside the server; its log has the details.', { cause: thrown });
}
