import type { IncomingMessage } from 'node:http';
import type { ExecutionArgs, ExecutionResult } from 'graphql';
import { CloseCode, makeServer, type Server } from 'graphql-ws';
import type { Caller, Keyring } from '../access/index.ts';
import { AppError, toAppError } from '../errors.ts';
import type { Context } from './context.ts';
import { type Reporting, toGraphqlError } from './errors.ts';
import type { Outlet } from './websocket-outlet.ts';
import type { Yoga } from './yoga.ts';

/** The first message of a connection must come within this time, and says with its key who it is. */
const INIT_TIMEOUT_MS = 5_000;
/** Operations of one connection at once; a client that wants more opens another. */
const MAX_OPERATIONS = 64;

/** Of the registry of close codes that RFC 6455 has begun; clients take it for a reason to come back. */
const TRY_AGAIN_LATER = 1013;

/** What an operation knows of its connection. */
export interface Connection {
  readonly request: IncomingMessage;
  readonly outlet: Outlet;
  /** Ends the connection; what it says has to fit into 123 bytes. */
  readonly close: (code: number, reason: string) => void;
  /** Fires when the connection is closed. */
  readonly closed: AbortSignal;
  /** Who is at the other end, once he has said so. */
  caller: Caller | null;
}

export interface ProtocolParts extends Reporting {
  readonly keyring: Pick<Keyring, 'identify'>;
}

/** The protocol graphql-transport-ws, which executes as the other transports do: same limits, same errors. */
export function webSocketProtocol(yoga: Yoga, { keyring, ...reporting }: ProtocolParts): Server<Connection> {
  /** What a plugin refuses is thrown before there is a result; the protocol would close the connection over it. */
  async function refusable<T>(work: () => T | Promise<T>): Promise<T | ExecutionResult> {
    try {
      return await work();
    } catch (thrown) {
      return { errors: [toGraphqlError(thrown, reporting)] };
    }
  }

  return makeServer<Record<string, unknown>, Connection>({
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    execute: (args) => refusable(() => (args as EnvelopedArgs).rootValue.execute(args)),
    subscribe: (args) => refusable(() => (args as EnvelopedArgs).rootValue.subscribe(args)),
    onConnect({ connectionParams, extra }) {
      let caller: Caller;
      try {
        caller = keyring.identify(connectionParams?.authorization ?? connectionParams?.Authorization);
        const place = caller.usage.connecting();
        extra.closed.addEventListener('abort', () => place[Symbol.dispose](), { once: true });
      } catch (thrown) {
        const { code, message } = toAppError(thrown);
        reporting.traffic.refused(code);
        extra.close(code === 'LIMIT_EXCEEDED' ? TRY_AGAIN_LATER : CloseCode.Forbidden, message);
        return false;
      }
      extra.caller = caller;
      const { ended } = caller;
      const end = (): void => extra.close(CloseCode.Forbidden, toAppError(ended.reason).message);
      ended.addEventListener('abort', end, { signal: extra.closed });
      return true;
    },
    async onSubscribe({ subscriptions, extra }, id, { query, operationName, variables }) {
      const { caller } = extra;
      // The protocol has closed connections that ask before they say who they are.
      if (caller === null || caller.ended.aborted) return [toGraphqlError(caller?.ended.reason, reporting)];
      try {
        caller.usage.request();
      } catch (thrown) {
        return [toGraphqlError(thrown, reporting)];
      }
      // The new one is among them already.
      if (Object.keys(subscriptions).length > MAX_OPERATIONS) {
        const message = `A connection may have ${MAX_OPERATIONS} operations at once; end some or open another.`;
        return [toGraphqlError(new AppError('OVERLOADED', message), reporting)];
      }
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        req: extra.request,
        caller,
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
