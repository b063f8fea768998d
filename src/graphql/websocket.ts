import type { Server } from 'node:http';
import { type ExecutionArgs, type ExecutionResult, GraphQLError } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Log } from '../log.ts';
import { toGraphqlError } from './errors.ts';
import { isOwnOrigin } from './guard.ts';
import { GRAPHQL_PATH, type Yoga } from './yoga.ts';

/** A subscription with every field is some 2,000 bytes. */
const MAX_MESSAGE_BYTES = 64 * 1024;
const PING_EVERY_MS = 12_000;
const INIT_TIMEOUT_MS = 5_000;
/** Subscriptions of one connection; a client that wants more opens another. */
const MAX_OPERATIONS = 64;
/** Going away (RFC 6455, section 7.4.1). */
const GOING_AWAY = 1001;

/**
 * GraphQL over WebSocket (graphql-transport-ws) on the HTTP server's port. The protocol's server waits for each message
 * to leave the socket before it pulls the next result, so what a stalled client cannot take waits in the hub's bounded
 * buffer and is dropped and counted there.
 */
export function serveWebSocket(server: Server, yoga: Yoga, log: Log): AsyncDisposable {
  const sockets = new WebSocketServer({
    server,
    path: GRAPHQL_PATH,
    maxPayload: MAX_MESSAGE_BYTES,
    verifyClient: ({ req }: { req: Parameters<typeof isOwnOrigin>[0] }) => isOwnOrigin(req),
  });
  // A socket's fault is its client's alone.
  sockets.on('connection', (socket: WebSocket) =>
    socket.on('error', (err) => log.debug({ err }, 'a WebSocket failed')),
  );
  sockets.on('error', (err) => log.error({ err }, 'the WebSocket server failed'));
  const operations = new WeakMap<object, Set<string>>();

  const protocol = useServer(
    {
      connectionInitWaitTimeout: INIT_TIMEOUT_MS,
      execute: (args) => (args as EnvelopedArgs).rootValue.execute(args),
      subscribe: (args) => (args as EnvelopedArgs).rootValue.subscribe(args),
      async onSubscribe(context, id, { query, operationName, variables }) {
        const open = operations.get(context.extra.socket) ?? new Set();
        operations.set(context.extra.socket, open);
        if (open.size >= MAX_OPERATIONS) {
          return [
            new GraphQLError(`A connection may have ${MAX_OPERATIONS} operations at once; end some or open another.`, {
              extensions: { code: 'OVERLOADED', retryable: true },
            }),
          ];
        }
        open.add(id);
        const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
          req: context.extra.request,
          params: { query, operationName, variables },
        });
        try {
          const document = parse(query);
          const errors = validate(schema, document);
          if (errors.length > 0) return errors.map((error: unknown) => toGraphqlError(error, log));
          return {
            schema,
            operationName,
            document,
            variableValues: variables,
            contextValue: await contextFactory(),
            rootValue: { execute, subscribe },
          };
        } catch (thrown) {
          return [toGraphqlError(thrown, log)];
        }
      },
      onError(context, id, _, errors) {
        operations.get(context.extra.socket)?.delete(id);
        return errors.map((error) => toGraphqlError(error, log).toJSON());
      },
      onComplete(context, id) {
        operations.get(context.extra.socket)?.delete(id);
      },
    },
    sockets,
    PING_EVERY_MS,
  );

  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'The server is stopping.');
      const cut = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, 1000);
      // Closes the sockets' server too, and takes every other listener off it: a wait of our own would never end.
      await protocol.dispose();
      clearTimeout(cut);
    },
  };
}

interface EnvelopedArgs extends ExecutionArgs {
  readonly rootValue: {
    readonly execute: (args: ExecutionArgs) => ExecutionResult;
    readonly subscribe: (args: ExecutionArgs) => Promise<AsyncIterableIterator<ExecutionResult>>;
  };
}
