import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors.ts';

/** Content types that a browser sends to any site without asking it first (a "simple request"). */
const SIMPLE_TYPES = ['multipart/form-data', 'application/x-www-form-urlencoded', 'text/plain'];
/** Any of these makes a browser ask first, and we do not answer such questions. */
export const PREFLIGHT_HEADERS = [
  'x-graphql-yoga-csrf',
  'apollo-require-preflight',
  'graphql-require-preflight',
] as const;
const MAX_JSON_BYTES = 1024 * 1024;

export interface GuardLimits {
  /** Largest multipart body. */
  readonly maxMultipartBytes: number;
}

/**
 * Refuses what another site makes a browser send, and bodies that are too large, before a byte of the body is read.
 * Errors: BAD_INPUT, UPLOAD_TOO_LARGE.
 */
export function guardRequest(request: IncomingMessage, { maxMultipartBytes }: GuardLimits): void {
  guardHost(request);
  if (request.method !== 'POST') return;
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if ((type === '' || SIMPLE_TYPES.includes(type)) && !PREFLIGHT_HEADERS.some((name) => name in request.headers)) {
    throw new AppError('BAD_INPUT', `A request of this content type needs the header ${PREFLIGHT_HEADERS[0]}: 1.`);
  }
  const length = Number(request.headers['content-length']);
  if (!Number.isSafeInteger(length)) {
    throw new AppError('BAD_INPUT', 'The request needs a Content-Length, so that its size is known before it is read.');
  }
  const limit = type === 'multipart/form-data' ? maxMultipartBytes : MAX_JSON_BYTES;
  if (length > limit) {
    throw new AppError(
      'UPLOAD_TOO_LARGE',
      `The request has ${length} bytes and ${limit} is the limit here; send large videos by PUT /media.`,
    );
  }
}

/**
 * The server listens on loopback only. A page whose name was pointed at loopback (DNS rebinding) would still send its
 * own name here. Errors: BAD_INPUT.
 */
function guardHost({ headers }: IncomingMessage): void {
  if (isLoopbackName(headers.host)) return;
  throw new AppError('BAD_INPUT', 'This server answers only to localhost, 127.0.0.1 and [::1].');
}

/** Whether a WebSocket may be opened: not by a page of another site, and under no foreign name. Programs send no Origin. */
export function isOwnOrigin({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  if (!isLoopbackName(host)) return false;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function isLoopbackName(host: string | undefined): boolean {
  const url = `http://${host ?? ''}`;
  return URL.canParse(url) && ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
}
