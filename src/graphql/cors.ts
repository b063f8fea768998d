/** What pages of CORS_ORIGINS, and no others, are told so that their browser lets them use this server. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { allowedOrigin, type Guarding } from './guard.ts';

const METHODS = 'GET, HEAD, POST, PUT';
/** Those that a request needs here, beside what browsers always allow. */
const REQUEST_HEADERS =
  'authorization, content-type, x-graphql-yoga-csrf, apollo-require-preflight, graphql-require-preflight';
/** Those of an answer that a page may read, beside what browsers always allow. */
const ANSWER_HEADERS = 'retry-after, content-disposition';
/** How long a browser may remember the answer; the longest that all of them take. */
const REMEMBER_SECONDS = 7200;

/**
 * Adds to an answer what lets an allowed page read it. Cookies are not allowed, because there are none. True when the
 * request was the question of a browser whether such a page may send another: it is answered by then.
 */
export function answerCors(request: IncomingMessage, response: ServerResponse, guarding: Guarding): boolean {
  if (guarding.config.corsOrigins.length === 0) return false;
  // A cache must not give one page the answer for another.
  response.setHeader('vary', 'origin');
  const origin = allowedOrigin(request, guarding);
  if (origin === null) return false;
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-expose-headers', ANSWER_HEADERS);
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
  response.writeHead(204, {
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': REQUEST_HEADERS,
    'access-control-max-age': String(REMEMBER_SECONDS),
  });
  response.end();
  return true;
}
