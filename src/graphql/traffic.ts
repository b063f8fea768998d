import { type DocumentNode, getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { ERROR_KINDS, type ErrorCode } from '../errors.ts';
import { REQUEST_KINDS, type RequestKind, type TrafficStatistics } from '../metrics/index.ts';

/** Counts what comes to the server and what it refuses. */
export class Traffic {
  readonly #requests = zeros(REQUEST_KINDS);
  readonly #refusals = zeros(Object.keys(ERROR_KINDS) as ErrorCode[]);
  #exports = 0;
  /** Set by whoever has the connections. */
  countWebSockets: () => number = () => 0;

  came(kind: RequestKind): void {
    this.#requests[kind] += 1;
  }

  /** A client is told an error. */
  refused(code: ErrorCode): void {
    this.#refusals[code] += 1;
  }

  /** Counts an export as under way until it is disposed of. */
  exporting(): Disposable {
    this.#exports += 1;
    return {
      [Symbol.dispose]: () => {
        this.#exports -= 1;
      },
    };
  }

  statistics(): TrafficStatistics {
    return {
      requests: { ...this.#requests },
      refusals: { ...this.#refusals },
      webSockets: this.countWebSockets(),
      exportsInFlight: this.#exports,
    };
  }
}

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}

interface Operation {
  readonly document: DocumentNode;
  readonly operationName?: string | null;
}

/** Counts the operations that pass all limits, over every transport. */
export function trafficPlugin(traffic: Traffic): Plugin {
  const count = ({ args }: { readonly args: Operation }): void => {
    const operation = getOperationAST(args.document, args.operationName);
    if (operation) traffic.came(operation.operation);
  };
  return { onExecute: count, onSubscribe: count };
}
