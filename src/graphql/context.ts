import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { FrameDelivery, Pipeline } from '../pipeline/index.ts';
import type { Store } from '../store/index.ts';
import type { Traffic } from './traffic.ts';

/** What resolvers work with. */
export interface Context {
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly config: Config;
  readonly log: Log;
  readonly traffic: Traffic;
  /** Fires when the server stops: what would wait for ever ends with ABORTED. */
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
