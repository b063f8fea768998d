/** How a stream gets over faults of this server that pass. */
import type { StreamRecord } from '../domain.ts';
import { type ErrorCode, toAppError } from '../errors.ts';
import { backoffMs, pause } from '../flow/index.ts';
import type { EndingParts, Job } from './job.ts';

const PASSING: ReadonlySet<ErrorCode> = new Set(['STORE_FAILED', 'OVERLOADED', 'ENGINE_UNAVAILABLE', 'INTERNAL']);
const WAIT = { firstMs: 1000, maxMs: 30_000 };
/** About half an hour without one frame that could be scored and stored. */
const MAX_FAULTS_IN_A_ROW = 75;
/** One that is nobody's by its code may be this stream's own, and a video that waits holds up those behind it. */
const MAX_UNKNOWN_FAULTS_OF_A_FILE = 3;

/**
 * Runs `work` over a stream again, after a wait, when it fails by a fault that may pass; it must go on after what is
 * stored. Resolves when it does, or when the job has been asked to end. Errors: those of `work` that do not pass, or have not for too long, and any
 * once the job has been asked to end.
 */
export async function throughFaults(
  { store, log }: Pick<EndingParts, 'store' | 'log'>,
  { job, stream }: { readonly job: Job; readonly stream: StreamRecord },
  work: (stream: StreamRecord) => Promise<void>,
): Promise<void> {
  let current = stream;
  for (let faults = 0; ; ) {
    const framesBefore = job.progress?.framesDone;
    try {
      return await work(current);
    } catch (thrown) {
      const { code } = toAppError(thrown);
      if (job.endedBy !== null || !PASSING.has(code)) throw thrown;
      faults = job.progress?.framesDone === framesBefore ? faults + 1 : 1;
      if (faults > maxFaults(code, stream)) throw thrown;
      log.error({ streamId: stream.id, code, err: thrown }, 'a stream was interrupted by a fault of the server');
      await pause(backoffMs(faults, WAIT), job.stop);
      if (job.endedBy !== null) return;
      current = (await store.stream(stream.id).catch(() => null)) ?? current;
      // What this run met is not stored before the end.
      current = { ...current, warnings: job.warnings ?? current.warnings };
    }
  }
}

function maxFaults(code: ErrorCode, { kind }: StreamRecord): number {
  return code === 'INTERNAL' && kind === 'FILE' ? MAX_UNKNOWN_FAULTS_OF_A_FILE : MAX_FAULTS_IN_A_ROW;
}
