import type { IncomingMessage } from 'node:http';
import type { Keyring } from '../access/index.ts';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';

/** What GraphQL requests may come as. Browsers ask before they send any of these to another site, but for the last. */
const GRAPHQL_TYPES = ['application/json', 'application/graphql+json', 'application/graphql', 'multipart/form-data'];
/** Any of these makes a browser ask first, and only pages of CORS_ORIGINS get the answer that they want. */
const PREFLIGHT_HEADERS = ['x-graphql-yoga-csrf', 'apollo-require-preflight', 'graphql-require-preflight'];

/** What the guards go by. */
export interface Guarding {
  readonly keyring: Pick<Keyring, 'isGuarded'>;
  readonly config: Pick<Config, 'corsOrigins'>;
}

/**
 * Refuses what the page of another site makes a browser send, before a byte of the body is read. Programs send none of
 * the headers that are looked at here but Host. Errors: BAD_INPUT.
 */
export function guardRequest(request: IncomingMessage, guarding: Guarding): void {
  if (!hasOwnName(request, guarding)) {
    throw new AppError('BAD_INPUT', 'This server answers only to localhost, 127.0.0.1 and [::1].');
  }
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers;
  // A link from elsewhere may open GraphiQL; whatever else another site asks for, it could not read the answer.
  if (site === 'cross-site' && mode !== 'navigate' && allowedOrigin(request, guarding) === null) {
    throw new AppError('BAD_INPUT', 'Pages of other sites may not use this server.');
  }
}

/** Refuses GraphQL of a kind that a browser would send to any site without asking it first. Errors: BAD_INPUT. */
export function guardContentType(request: IncomingMessage): void {
  const type = contentType(request);
  if (!GRAPHQL_TYPES.includes(type)) {
    throw new AppError('BAD_INPUT', 'Send the operation as application/json, or as multipart/form-data with files.');
  }
  if (type === 'multipart/form-data' && !PREFLIGHT_HEADERS.some((name) => name in request.headers)) {
    throw new AppError('BAD_INPUT', `A multipart request needs the header ${PREFLIGHT_HEADERS[0]}: 1.`);
  }
}

/** Lower case, without parameters; empty where none is given. */
export function contentType({ headers }: IncomingMessage): string {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}

/** The origin of the page that a request comes from, where CORS_ORIGINS has it. */
export function allowedOrigin({ headers }: IncomingMessage, { config }: Guarding): string | null {
  const { origin } = headers;
  return origin !== undefined && config.corsOrigins.includes(origin) ? origin : null;
}

/** Whether a WebSocket may be opened: not by a page of another site, and under no foreign name. Programs send no Origin. */
export function isOwnOrigin(request: IncomingMessage, guarding: Guarding): boolean {
  const { origin, host } = request.headers;
  if (!hasOwnName(request, guarding)) return false;
  if (origin === undefined || allowedOrigin(request, guarding) !== null) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

/**
 * Without keys the server listens on loopback only, and a page whose name was pointed at loopback (DNS rebinding) would
 * still send its own name here. With keys any name will do: that page has no key, and no browser adds one by itself.
 */
function hasOwnName({ headers, socket }: IncomingMessage, { keyring }: Guarding): boolean {
  return keyring.isGuarded || isLoopbackName(headers.host, socket.localAddress);
}

/** `address` is the one that the request came to: where HOST is another of loopback's, that is no name to be pointed. */
function isLoopbackName(host: string | undefined, address: string | undefined): boolean {
  const url = `http://${host ?? ''}`;
  return URL.canParse(url) && ['localhost', '127.0.0.1', '[::1]', address].includes(new URL(url).hostname);
}
