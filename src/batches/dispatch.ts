/** What is open at the moment when a worker has nothing to do. All figures are of the whole pool. */
export interface Load {
  readonly findsQueued: number;
  readonly readsQueued: number;
  /** Age of the oldest crop in the queue; 0 when there is none. */
  readonly oldestReadMs: number;
  readonly jobsInFlight: number;
  /** Read jobs handed out since the last find job. */
  readonly readsInARow: number;
  readonly maxBatch: number;
  readonly maxWaitMs: number;
}

/** What the idle worker does: a job, a wait for a fuller batch (0 < `ms` <= maxWaitMs), or nothing. */
export type Decision =
  | { readonly kind: 'find' }
  | { readonly kind: 'read' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'rest' };

/**
 * Most read jobs in a row while pictures wait. Readings come first because they finish frames, but callers that only
 * read could otherwise keep every picture waiting for ever.
 */
const MAX_READS_IN_A_ROW = 8;

/**
 * Picks the job of an idle worker.
 *
 * A full batch, or one whose oldest crop has waited its time, goes first. Otherwise a picture is searched, which is
 * useful work and brings more crops for the batch. A part batch with no picture to search goes at once when nothing is
 * in flight (nobody here could add to it) and else waits out its time. On a CPU a full batch of 8 saves about a tenth
 * of the time of single crops, on a graphics card far more; so waiting is short, and only while something is coming.
 */
export function decide(load: Load): Decision {
  const { findsQueued, readsQueued, maxBatch, maxWaitMs } = load;
  const patient = readsQueued < maxBatch && load.oldestReadMs < maxWaitMs;
  if (findsQueued > 0) {
    if (readsQueued === 0 || patient || load.readsInARow >= MAX_READS_IN_A_ROW) return { kind: 'find' };
    return { kind: 'read' };
  }
  if (readsQueued === 0) return { kind: 'rest' };
  if (!patient || load.jobsInFlight === 0) return { kind: 'read' };
  return { kind: 'wait', ms: maxWaitMs - load.oldestReadMs };
}
