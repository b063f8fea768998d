import { GraphQLError, type GraphQLErrorExtensions } from 'graphql';
import { AppError, ERROR_KINDS, type ErrorCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Context } from './context.ts';

/** Where errors are told besides the client. */
export type Reporting = Pick<Context, 'log' | 'traffic'>;

/** What left here already: an error passes several hands on its way, and each asks for its shape. */
const shaped = new WeakSet<GraphQLError>();

/**
 * The one shape in which errors leave: a message that is safe, `extensions.code` of the closed table and
 * `extensions.retryable`. What is unknown becomes INTERNAL and goes to the log with its cause. Each error is counted once.
 */
export function toGraphqlError(thrown: unknown, reporting: Reporting): GraphQLError {
  if (thrown instanceof GraphQLError && shaped.has(thrown)) return thrown;
  return freshGraphqlError(thrown, reporting);
}

/** The same for what may be an error of an earlier request: yoga keeps those of a query that did not validate. */
export function freshGraphqlError(thrown: unknown, { log, traffic }: Reporting): GraphQLError {
  const { error, code } = shape(thrown, log);
  traffic.refused(code);
  shaped.add(error);
  return error;
}

function shape(thrown: unknown, log: Log): { readonly error: GraphQLError; readonly code: ErrorCode } {
  if (!(thrown instanceof GraphQLError)) {
    const { message, code, retryAfterSeconds } = asAppError(thrown, log);
    return { error: new GraphQLError(message, { extensions: extensions(code, retryAfterSeconds) }), code };
  }
  const { originalError } = thrown;
  if (originalError === undefined || originalError === null || originalError instanceof GraphQLError) {
    // The query's own fault: it did not parse, did not validate, or has a value of the wrong kind.
    const code = knownCode(thrown.extensions.code) ?? 'BAD_INPUT';
    return { error: rebuilt(thrown, new AppError(code, thrown.message)), code };
  }
  const error = asAppError(originalError, log);
  return { error: rebuilt(thrown, error), code: error.code };
}

function asAppError(thrown: unknown, log: Log): AppError {
  if (thrown instanceof AppError) {
    if (ERROR_KINDS[thrown.code].status >= 500) log.error({ err: thrown }, 'a request failed');
    return thrown;
  }
  log.error({ err: thrown }, 'a request failed in an unknown way');
  return new AppError('INTERNAL', 'Something failed inside the server; its log has the details.', { cause: thrown });
}

function rebuilt(error: GraphQLError, { message, code, retryAfterSeconds }: AppError): GraphQLError {
  const { nodes, source, positions, path, extensions: given } = error;
  return new GraphQLError(message, {
    ...(nodes === undefined ? {} : { nodes }),
    ...(source === undefined ? {} : { source }),
    ...(positions === undefined ? {} : { positions }),
    ...(path === undefined ? {} : { path }),
    extensions: extensions(code, retryAfterSeconds, given.http),
  });
}

/** About who asks rather than what is asked: these decide the status of the whole answer. */
const OF_THE_CALLER: ReadonlySet<ErrorCode> = new Set(['UNAUTHENTICATED', 'FORBIDDEN', 'LIMIT_EXCEEDED']);

/** `http` is yoga's own word for the answer's status. It is for yoga alone, so it stays out of JSON. */
function extensions(code: ErrorCode, retryAfterSeconds: number | null, given?: unknown): GraphQLErrorExtensions {
  const { status, retryable } = ERROR_KINDS[code];
  const told = { code, retryable, ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }) };
  const headers = retryAfterSeconds === null ? {} : { 'retry-after': String(retryAfterSeconds) };
  const http = OF_THE_CALLER.has(code) ? { status, headers } : given;
  return http === undefined ? told : Object.defineProperty(told, 'http', { value: http, enumerable: false });
}

/** Null for what is no code of the table, such as one that an older version stored. */
export function knownCode(code: unknown): ErrorCode | null {
  return typeof code === 'string' && Object.hasOwn(ERROR_KINDS, code) ? (code as ErrorCode) : null;
}
