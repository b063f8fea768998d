import type { IncomingMessage } from 'node:http';
import type { ExecutionArgs, ExecutionResult } from 'graphql';
import { makeServer, type Server } from 'graphql-ws';
import { AppError } from '../errors.ts';
import type { Context } from './context.ts';
import { type Reporting, toGraphqlError } from './errors.ts';
import type { Outlet } from './websocket-outlet.ts';
import type { Yoga } from './yoga.ts';

/** The first message of a connection must come within this time. */
const INIT_TIMEOUT_MS = 5_000;
/** Operations of one connection at once; a client that wants more opens another. */
const MAX_OPERATIONS = 64;

/** What an operation knows of its connection. */
export interface Connection {
  readonly request: IncomingMessage;
  readonly outlet: Outlet;
}

/** The protocol graphql-transport-ws, which executes as the other transports do: same limits, same errors. */
export function webSocketProtocol(yoga: Yoga, reporting: Reporting): Server<Connection> {
  return makeServer<Record<string, unknown>, Connection>({
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    // What a limit throws here would otherwise close the connection with all that others do over it.
    execute: (args) => answered(async () => (args as EnvelopedArgs).rootValue.execute(args), reporting),
    subscribe: (args) => answered(async () => (args as EnvelopedArgs).rootValue.subscribe(args), reporting),
    async onSubscribe({ subscriptions, extra }, id, { query, operationName, variables }) {
      // The new one is among them already.
      if (Object.keys(subscriptions).length > MAX_OPERATIONS) {
        const message = `A connection may have ${MAX_OPERATIONS} operations at once; end some or open another.`;
        return [toGraphqlError(new AppError('OVERLOADED', message), reporting)];
      }
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        req: extra.request,
        params: { query, operationName, variables },
      });
      try {
        const document = parse(query);
        const errors = validate(schema, document);
        if (errors.length > 0) return errors.map((error: unknown) => toGraphqlError(error, reporting));
        return {
          schema,
          operationName,
          document,
          variableValues: variables,
          contextValue: { ...(await contextFactory()), sendResult: resultSender(id, extra.outlet) },
          rootValue: { execute, subscribe },
        };
      } catch (thrown) {
        return [toGraphqlError(thrown, reporting)];
      }
    },
    onError: (_, __, ___, errors) => errors.map((error) => toGraphqlError(error, reporting).toJSON()),
  });
}

/** The result, or the failure as one. */
async function answered<T>(work: () => Promise<T>, reporting: Reporting): Promise<T | ExecutionResult> {
  try {
    return await work();
  } catch (thrown) {
    return { errors: [toGraphqlError(thrown, reporting)] };
  }
}

/** Sends results whose JSON is made already, as the protocol itself sends them. */
function resultSender(id: string, outlet: Outlet): NonNullable<Context['sendResult']> {
  const head = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
  const tail = Buffer.from('}');
  return (json) => outlet.sendParts([head, json, tail]);
}

interface EnvelopedArgs extends ExecutionArgs {
  readonly rootValue: {
    readonly execute: (args: ExecutionArgs) => ExecutionResult;
    readonly subscribe: (args: ExecutionArgs) => Promise<AsyncIterableIterator<ExecutionResult>>;
  };
}
