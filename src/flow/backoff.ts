export interface BackoffOptions {
  /** Wait before the first try, in ms, before jitter. */
  readonly firstMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
  /** [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Wait before a try in ms, `attempt` counted from 1: doubled from try to try up to the longest, then cut by a random part
 * of up to half, so that many who lost the same server do not come back to it at the same moment.
 */
export function backoffMs(attempt: number, { firstMs, maxMs, random = Math.random }: BackoffOptions): number {
  const fullMs = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 52));
  return fullMs * (1 - random() / 2);
}
