import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError } from '../errors.ts';
import type { Context } from './context.ts';
import { contentType, guardContentType, guardRequest } from './guard.ts';
import { receiveMedia, refuse } from './media-upload.ts';
import { announcedBytes, createBodyBudget, limitBody, tooLarge } from './request-body.ts';
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
export async function startServer(parts: Omit<Context, 'closing'>): Promise<GraphqlServer> {
  const { config, log } = parts;
  const closing = new AbortController();
  // One listener a subscription; each takes its own off when it ends.
  setMaxListeners(0, closing.signal);
  const context: Context = { ...parts, closing: closing.signal };
  const yoga = createGraphql(context);
  const server = createServer(listener(context, yoga));
  // An upload may take hours; what must not is the time until its headers have come, or between two of its parts.
  server.requestTimeout = 0;
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, { host: config.host, port: config.port });
  const sockets = serveWebSocket(server, yoga, log);
  const { port } = server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${host}:${port}${GRAPHQL_PATH}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // WebSockets first: their close says why, and no operation over them needs to say it again.
      const socketsClosed = sockets[Symbol.asyncDispose]();
      closing.abort();
      await socketsClosed;
      // A connection that was at work becomes idle when its answer is out, and would then be kept for a next request.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_LIMIT_MS);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
      await yoga.dispose();
    },
  };
}

function listener(context: Context, yoga: Yoga): RequestListener {
  const { config, log } = context;
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
      limitBody(request, limitBytes, (thrown) => refuse(request, response, { thrown, log }));
    }
    request.setTimeout(BODY_IDLE_MS, () => request.destroy());
    request.once('end', () => request.setTimeout(0));
  }

  return (request, response) => {
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('x-frame-options', 'DENY');
    try {
      guardRequest(request);
      const path = (request.url ?? '/').split('?')[0];
      if (path === MEDIA_PATH) {
        void receiveMedia(request, response, context);
        return;
      }
      if (path !== GRAPHQL_PATH) {
        throw new AppError(
          'NOT_FOUND',
          `There is nothing here; GraphQL is at ${GRAPHQL_PATH}, uploads go to ${MEDIA_PATH}.`,
        );
      }
      if (request.method === 'POST') prepareBody(request, response);
      Promise.resolve(yoga(request, response)).catch((thrown: unknown) => refuse(request, response, { thrown, log }));
    } catch (thrown) {
      refuse(request, response, { thrown, log });
    }
  };
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
