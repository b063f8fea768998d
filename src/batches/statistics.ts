import { type FairQueueStatistics, Histogram, type HistogramSnapshot, LATENCY_BOUNDS_MS } from '../flow/index.ts';
import type { JobKind } from './messages.ts';

/** One kind of work: its queue, and what a worker needed for it. */
export interface WorkStatistics extends FairQueueStatistics {
  /** Workers that are up and serve this kind. */
  readonly workersUp: number;
  /** Between entering the queue and being handed to a worker. */
  readonly waitMs: HistogramSnapshot;
  /** From the worker's getting a job to its answer; jobs over which a worker died are left out. */
  readonly workMs: HistogramSnapshot;
}

/** Depths are of this moment; everything else counts since the start. */
export interface PoolStatistics {
  /** Pictures to be searched, and crops to be read. */
  readonly find: WorkStatistics;
  readonly read: WorkStatistics;
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
  readonly #times = { find: times(), read: times() };

  constructor(maxBatch: number) {
    this.batchSizes = Array.from({ length: maxBatch }, () => 0);
  }

  waited(kind: JobKind, ms: number): void {
    this.#times[kind].waitMs.observe(ms);
  }

  worked(kind: JobKind, ms: number): void {
    this.#times[kind].workMs.observe(ms);
  }

  times(kind: JobKind): Pick<WorkStatistics, 'waitMs' | 'workMs'> {
    const { waitMs, workMs } = this.#times[kind];
    return { waitMs: waitMs.snapshot(), workMs: workMs.snapshot() };
  }
}

function times() {
  return { waitMs: new Histogram(LATENCY_BOUNDS_MS), workMs: new Histogram(LATENCY_BOUNDS_MS) };
}
