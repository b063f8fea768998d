import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError } from '../errors.ts';
import type { Context } from './context.ts';
import { guardRequest } from './guard.ts';
import { receiveMedia, refuse } from './media-upload.ts';
import { serveWebSocket } from './websocket.ts';
import { createGraphql, GRAPHQL_PATH, type Yoga } from './yoga.ts';

export interface GraphqlServer extends AsyncDisposable {
  /** Address of the GraphQL endpoint. */
  readonly url: string;
}

const MEDIA_PATH = '/media';
/** Pictures of one multipart request in memory, in sizes of the largest picture. */
const PICTURES_A_REQUEST = 4;
/** Multipart bodies are held in memory while they are read; further requests are refused. */
const MAX_MULTIPART_AT_ONCE = 8;
/** Requests that are still open when the server stops get so long. */
const CLOSE_LIMIT_MS = 3000;

/** Starts HTTP, WebSocket and server-sent events on one port. Errors: CONFIG_INVALID when it cannot be listened on. */
export async function startServer(context: Context): Promise<GraphqlServer> {
  const { config, log } = context;
  const yoga = createGraphql(context);
  const server = createServer(listener(context, yoga));
  // An upload may take hours; what must not is the time until its headers have come.
  server.requestTimeout = 0;
  await listen(server, { host: config.host, port: config.port });
  const sockets = serveWebSocket(server, yoga, log);
  const { port } = server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${host}:${port}${GRAPHQL_PATH}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await sockets[Symbol.asyncDispose]();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_LIMIT_MS);
      await closed;
      clearTimeout(cut);
      await yoga.dispose();
    },
  };
}

function listener(context: Context, yoga: Yoga): RequestListener {
  const { config, log } = context;
  const limits = { maxMultipartBytes: config.maxImageBytes * PICTURES_A_REQUEST };
  let multipart = 0;
  return (request, response) => {
    try {
      guardRequest(request, limits);
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
      if (request.headers['content-type']?.startsWith('multipart/') === true) {
        if (multipart >= MAX_MULTIPART_AT_ONCE) {
          throw new AppError('OVERLOADED', 'Too many uploads at once; try again in a moment, or use PUT /media.');
        }
        multipart += 1;
        response.once('close', () => {
          multipart -= 1;
        });
      }
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
