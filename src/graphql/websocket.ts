import type { IncomingMessage, Server } from 'node:http';
import { CloseCode, handleProtocols } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Guarding, isOwnOrigin } from './guard.ts';
import { createOutlet } from './websocket-outlet.ts';
import { type ProtocolParts, webSocketProtocol } from './websocket-protocol.ts';
import { GRAPHQL_PATH, type Yoga } from './yoga.ts';

/** A subscription with every field is some 2,000 bytes. */
const MAX_MESSAGE_BYTES = 64 * 1024;
/** A connection costs some 20 KB, and a subscriber's buffer holds references to frames that all share. */
const MAX_CONNECTIONS = 1000;
/** A client that does not answer one ping until the next is due is gone. */
const PING_EVERY_MS = 12_000;
/** Clients get so long to answer the close of a server that stops. */
const CLOSE_LIMIT_MS = 1_000;
/** RFC 6455, section 7.4.1. */
const GOING_AWAY = 1001;

/**
 * GraphQL over WebSocket (graphql-transport-ws) on the HTTP server's port. Where the system takes
 * no more for a client, the next result is not pulled before it does again, so what a stalled client cannot take waits in
 * the hub's bounded buffer, and is dropped and counted there.
 */
export function serveWebSocket(server: Server, yoga: Yoga, parts: ProtocolParts & Guarding): AsyncDisposable {
  const { log, traffic } = parts;
  const sockets = new WebSocketServer({
    server,
    path: GRAPHQL_PATH,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: (protocols) => handleProtocols(protocols),
    verifyClient({ req }: { req: IncomingMessage }, done: (accepted: boolean, status?: number) => void) {
      if (!isOwnOrigin(req, parts)) done(false);
      else if (sockets.clients.size >= MAX_CONNECTIONS) done(false, 503);
      else done(true);
    },
  });
  const protocol = webSocketProtocol(yoga, parts);
  traffic.countWebSockets = () => sockets.clients.size;
  sockets.on('error', (err) => log.error({ err }, 'the WebSocket server failed'));
  sockets.on('connection', (socket, request) => {
    // A socket's fault (cut off, a message that is too long) is its client's alone, and the socket closes itself.
    socket.on('error', (err) => log.debug({ err }, 'a WebSocket failed'));
    const stopPinging = keepAlive(socket);
    const outlet = createOutlet(socket, request);
    const gone = new AbortController();
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) => outlet.send(text),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (receive) =>
          socket.on('message', (bytes) => {
            outlet.hold();
            receive(String(bytes)).catch((err: unknown) => {
              log.error({ err }, 'an operation over WebSocket failed in an unknown way');
              socket.close(CloseCode.InternalServerError, 'Internal server error');
            });
          }),
      },
      {
        request,
        outlet,
        close: (code, reason) => socket.close(code, reason),
        closed: gone.signal,
        caller: null,
      },
    );
    socket.once('close', (code, reason) => {
      stopPinging();
      gone.abort();
      closed(code, String(reason)).catch((err: unknown) => log.error({ err }, 'a WebSocket did not end cleanly'));
    });
  });

  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => sockets.close(resolve));
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'The server is stopping.');
      const cut = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, CLOSE_LIMIT_MS);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** Pings until the returned function is called; cuts a client off that does not answer. */
function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, PING_EVERY_MS);
  return () => clearInterval(timer);
}
