import { setMaxListeners } from 'node:events';
import { type Caller, type CallerPipeline, type CallerStore, type Keyring, openDoors } from '../access/index.ts';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { FrameDelivery, Pipeline } from '../pipeline/index.ts';
import type { Store } from '../store/index.ts';
import type { Traffic } from './traffic.ts';

/** What the server stands on. Only what belongs to nobody (probes, metrics) uses these doors; callers get their own. */
export interface ServerParts {
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly keyring: Keyring;
  readonly config: Config;
  readonly log: Log;
  readonly traffic: Traffic;
  /** Fires when the server stops; the reason is an `AppError`. */
  readonly closing: AbortSignal;
}

/** What resolvers work with: the doors of one caller, so that nothing of another key is within their reach. */
export interface Context {
  readonly caller: Caller;
  readonly pipeline: CallerPipeline;
  readonly store: CallerStore;
  readonly config: Config;
  readonly log: Log;
  readonly traffic: Traffic;
  /**
   * Fires when the server stops or the caller's key is revoked: what would wait for ever ends with the reason, an
   * `AppError`.
   */
  readonly closing: AbortSignal;
  /** The HTTP request; its signal fires when the client goes away. Operations over WebSocket have none. */
  readonly request?: Request;
  /**
   * Where the transport can send the JSON of a result of this operation itself. A promise that it returns is to be waited
   * for before the next.
   */
  readonly sendResult?: (json: Uint8Array) => Promise<void> | undefined;
  /** Where the live frames of this subscription are told at once, instead of by its iterator; to be waited for likewise. */
  readonly onLiveFrame?: (delivery: FrameDelivery) => Promise<void> | undefined;
}

/** What an operation comes with, over whichever transport. */
export interface Incoming {
  readonly caller: Caller;
}

/** The contexts of callers; each is made once and lives as long as its caller. */
export function callerContexts(parts: ServerParts): (caller: Caller) => Context {
  const { config, log, traffic } = parts;
  const contexts = new WeakMap<Caller, Context>();
  return (caller) => {
    const known = contexts.get(caller);
    if (known !== undefined) return known;
    const closing = AbortSignal.any([parts.closing, caller.ended]);
    // One listener a subscription; each takes its own off when it ends.
    setMaxListeners(0, closing);
    const context = { caller, ...openDoors(caller, parts), config, log, traffic, closing };
    contexts.set(caller, context);
    return context;
  };
}
