import type { FairQueueStatistics } from '../flow/index.ts';
import type { JobKind } from './messages.ts';

/** Time between entering the queue and being handed to a worker. */
export interface WaitStatistics {
  readonly count: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

/** Depths are of this moment; everything else counts since the start. */
export interface PoolStatistics {
  /** Pictures to be searched, and crops to be read. */
  readonly find: FairQueueStatistics & { readonly waits: WaitStatistics };
  readonly read: FairQueueStatistics & { readonly waits: WaitStatistics };
  readonly workersUp: number;
  readonly workersBusy: number;
  /** Dead workers that were replaced. */
  readonly restarts: number;
  readonly picturesSearched: number;
  readonly facesRead: number;
  /** `batchSizes[n - 1]` is the number of read jobs with n faces. */
  readonly batchSizes: readonly number[];
  /** Jobs that were tried again, because their worker died. */
  readonly retries: number;
  /** Calls that failed with WORKER_FAILED. */
  readonly failures: number;
  /** Results that came after their caller had left. */
  readonly dropped: number;
}

/** The counters behind {@link PoolStatistics} that belong to no queue and no worker. */
export class Counters {
  picturesSearched = 0;
  facesRead = 0;
  retries = 0;
  failures = 0;
  dropped = 0;
  readonly batchSizes: number[];
  readonly #waits = { find: { count: 0, totalMs: 0, maxMs: 0 }, read: { count: 0, totalMs: 0, maxMs: 0 } };

  constructor(maxBatch: number) {
    this.batchSizes = Array.from({ length: maxBatch }, () => 0);
  }

  waited(kind: JobKind, ms: number): void {
    const waits = this.#waits[kind];
    waits.count += 1;
    waits.totalMs += ms;
    waits.maxMs = Math.max(waits.maxMs, ms);
  }

  waits(kind: JobKind): WaitStatistics {
    const { count, totalMs, maxMs } = this.#waits[kind];
    return { count, meanMs: count === 0 ? 0 : totalMs / count, maxMs };
  }
}
