/** What the server said, or what a browser says when the server could not be asked. */
export interface Refusal {
  readonly message: string;
  /** One of the schema's `ErrorCode`; null where the server could not be asked. */
  readonly code?: string | null;
  /** Whether the same request may succeed later. Default false. */
  readonly retryable?: boolean;
  readonly retryAfterSeconds?: number | null;
}

/** Everything that goes wrong between the page and its server. */
export class Failure extends Error {
  readonly code: string | null;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | null;

  constructor({ message, code = null, retryable = false, retryAfterSeconds = null }: Refusal, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Failure';
    this.code = code;
    this.retryable = retryable;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The first error of a GraphQL answer; null where there is none. */
export function failureOf(errors: unknown): Failure | null {
  if (!Array.isArray(errors) || errors.length === 0) return null;
  const [{ message, extensions }] = errors as [{ message: string; extensions?: Partial<Refusal> }];
  return new Failure({ message, ...extensions });
}

/** What a connection that did not come about, or ended, is to the page: it may come again. */
export function lostConnection(cause: unknown): Failure {
  const why = cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : '';
  return new Failure({ message: `No connection to the server${why}.`, retryable: true }, { cause });
}

export function toFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  return new Failure({ message: thrown instanceof Error ? thrown.message : String(thrown) }, { cause: thrown });
}
