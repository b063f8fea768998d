import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Caller } from '../access/index.ts';
import { AppError } from '../errors.ts';
import { createMetrics } from '../metrics/index.ts';
import { callerContexts, type ServerParts } from './context.ts';
import { answerCors } from './cors.ts';
import { exportedStreamId, sendExport } from './export.ts';
import { contentType, guardContentType, guardRequest } from './guard.ts';
import { receiveMedia, refuse } from './media-upload.ts';
import { openPage, PAGE_PATH, type Page } from './page.ts';
import { checkReading, createProbes, type Exchange, OPEN_PROBES, type Probe } from './probes.ts';
import { announcedBytes, createBodyBudget, limitBody, tooLarge } from './request-body.ts';
import { Traffic } from './traffic.ts';
import { serveWebSocket } from './websocket.ts';
import { createGraphql, GRAPHQL_PATH, type Yoga } from './yoga.ts';

export interface GraphqlServer extends AsyncDisposable {
  /** Address of the GraphQL endpoint. */
  readonly url: string;
}

const MEDIA_PATH = '/media';
/** Of all kinds together, WebSockets included; further ones are closed as they come. Each costs some 20 KB. */
const MAX_CONNECTIONS = 2000;
/** Operations and their variables. */
const MAX_JSON_BYTES = 1024 * 1024;
/** Largest multipart request, in sizes of the largest picture. */
const PICTURES_A_REQUEST = 4;
/** Multipart requests of the largest size that may be in memory together; many more of the usual size. */
const LARGEST_REQUESTS_AT_ONCE = 2;
/** A client that sends nothing of its body for so long is cut off. */
const BODY_IDLE_MS = 60_000;
/** Requests that are still open when the server stops get so long. */
const CLOSE_LIMIT_MS = 3000;
const IDLE_CHECK_MS = 20;

/** Starts HTTP, WebSocket and server-sent events on one port. Errors: CONFIG_INVALID when it cannot be listened on. */
export async function startServer(parts: Omit<ServerParts, 'closing' | 'traffic'>): Promise<GraphqlServer> {
  const { config, pipeline, store } = parts;
  const closing = new AbortController();
  // One listener a subscription; each takes its own off when it ends.
  setMaxListeners(0, closing.signal);
  const traffic = new Traffic();
  const all: ServerParts = { ...parts, traffic, closing: closing.signal };
  const page = await openPage(all);
  const yoga = createGraphql(all);
  const metrics = createMetrics({ pipeline, store, traffic });
  const server = createServer(listener(all, { yoga, page, probes: createProbes(all, metrics) }));
  // An upload may take hours; what must not is the time until its headers have come, or between two of its parts.
  server.requestTimeout = 0;
  server.maxConnections = MAX_CONNECTIONS;
  try {
    await listen(server, { host: config.host, port: config.port });
  } catch (thrown) {
    metrics[Symbol.dispose]();
    throw thrown;
  }
  const sockets = serveWebSocket(server, yoga, all);
  const { port } = server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${host}:${port}${GRAPHQL_PATH}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // WebSockets first: their close says why, and no operation over them needs to say it again.
      const socketsClosed = sockets[Symbol.asyncDispose]();
      const message = 'The server is stopping; come back later, with the last cursor where there is one.';
      closing.abort(new AppError('ABORTED', message));
      await socketsClosed;
      // A connection that was at work becomes idle when its answer is out, and would then be kept for a next request.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_LIMIT_MS);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
      metrics[Symbol.dispose]();
      await yoga.dispose();
    },
  };
}

interface Handlers {
  readonly yoga: Yoga;
  readonly page: Page;
  readonly probes: Readonly<Record<string, Probe>>;
}

function listener(parts: ServerParts, { yoga, page, probes }: Handlers): RequestListener {
  const { config, traffic, keyring } = parts;
  const contextOf = callerContexts(parts);
  const maxMultipartBytes = config.maxImageBytes * PICTURES_A_REQUEST;
  const budget = createBodyBudget(maxMultipartBytes * LARGEST_REQUESTS_AT_ONCE);

  function prepareBody(request: IncomingMessage, response: ServerResponse): void {
    guardContentType(request);
    const isMultipart = contentType(request) === 'multipart/form-data';
    const limitBytes = isMultipart ? maxMultipartBytes : MAX_JSON_BYTES;
    const announced = announcedBytes(request);
    if (announced !== null && announced > limitBytes) throw tooLarge(limitBytes);
    if (isMultipart) response.once('close', budget.reserve(announced ?? limitBytes));
    if (announced === null) {
      limitBody(request, limitBytes, (thrown) => refuse(request, response, { ...parts, thrown }));
    }
    request.setTimeout(BODY_IDLE_MS, () => request.destroy());
    request.once('end', () => request.setTimeout(0));
  }

  /** Errors: UNAUTHENTICATED, but where anybody may look. */
  function callerOf(request: IncomingMessage, path: string): Caller {
    try {
      return keyring.identify(request.headers.authorization);
    } catch (thrown) {
      if (page.has(path) || isOpenToAll(request, path)) return keyring.nobody;
      throw thrown;
    }
  }

  /** What answers a path; null where nothing is. */
  function handlerOf(path: string): Handler | null {
    if (path === GRAPHQL_PATH) {
      return async ({ request, response, caller }) => {
        if (request.method === 'POST') prepareBody(request, response);
        await yoga(request, response, { caller });
      };
    }
    if (path === MEDIA_PATH) {
      return ({ request, response, caller }) => receiveMedia(request, response, contextOf(caller));
    }
    const probe = Object.hasOwn(probes, path) ? probes[path] : undefined;
    if (probe !== undefined) {
      return async (exchange) => {
        checkReading(exchange.request, exchange.response);
        traffic.came('probe');
        await probe(exchange);
      };
    }
    if (page.has(path)) {
      return async (exchange) => {
        traffic.came('page');
        page.send(path, exchange);
      };
    }
    const streamId = exportedStreamId(path);
    if (streamId === null) return null;
    return async ({ request, response, caller }) => {
      traffic.came('export');
      await sendExport(request, response, { ...contextOf(caller), streamId });
    };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // First, so that an allowed page can read a refusal too.
    if (answerCors(request, response, parts)) return;
    guardRequest(request, parts);
    const path = (request.url ?? '/').split('?')[0]!;
    const caller = callerOf(request, path);
    caller.usage.request();
    const handle = handlerOf(path);
    if (handle === null) {
      const message = `There is nothing here; the page is at ${PAGE_PATH}, GraphQL at ${GRAPHQL_PATH}, uploads go to ${MEDIA_PATH}.`;
      throw new AppError('NOT_FOUND', message);
    }
    await handle({ request, response, caller });
  }

  return (request, response) => {
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('x-frame-options', 'DENY');
    answer(request, response).catch((thrown: unknown) => refuse(request, response, { ...parts, thrown }));
  };
}

type Handler = (exchange: Exchange) => Promise<void>;

/** The probes that say nothing but yes or no, and the page of GraphiQL, which holds nothing and asks with its own key. */
function isOpenToAll({ method, headers }: IncomingMessage, path: string): boolean {
  if (path === GRAPHQL_PATH) return method === 'GET' && headers.accept?.includes('text/html') === true;
  return OPEN_PROBES.has(path);
}

function listen(server: Server, address: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === 'EADDRINUSE' ? 'another program listens there' : cause.message;
      const message = `Cannot listen on ${address.host} port ${address.port}: ${reason}. Set another PORT (0 takes a free one).`;
      reject(new AppError('CONFIG_INVALID', message, { cause }));
    });
    server.listen(address, resolve);
  });
}
