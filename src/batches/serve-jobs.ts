import { parentPort, workerData } from 'node:worker_threads';
import type { CropReading, FoundFace, RgbImage } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import type { FromWorker, PortableError, ToWorker, WorkerFacts, WorkerSetup } from './messages.ts';

/** The networks of one worker. */
export interface WorkerNetworks extends AsyncDisposable {
  readonly facts: WorkerFacts;
  find(image: RgbImage): Promise<readonly FoundFace[]>;
  /** `crops` holds `count` crops, one after the other. */
  read(crops: Uint8Array, count: number): Promise<readonly CropReading[]>;
}

/**
 * The life of a worker thread: builds its networks with `open`, answers one job after the other, and ends the networks
 * when it is told to close. To be called once, by the thread's entry script.
 */
export async function serveJobs(open: (setup: WorkerSetup) => Promise<WorkerNetworks>): Promise<void> {
  const port = parentPort;
  if (port === null) throw new AppError('INTERNAL', 'A worker script runs as a thread of the server, not on its own.');
  const send = (message: FromWorker, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);

  let networks: WorkerNetworks;
  try {
    networks = await open(workerData as WorkerSetup);
  } catch (thrown) {
    send({ kind: 'startFailed', error: toPortable(thrown) });
    port.close();
    return;
  }

  let memory: Uint8Array = new Uint8Array(0);
  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'memory':
        memory = new Uint8Array(message.memory);
        break;
      case 'close':
        void close(networks).finally(() => port.close());
        break;
      default:
        void answer(message, { networks, memory, send });
    }
  });
  send({ kind: 'ready', facts: networks.facts });
}

async function close(networks: WorkerNetworks): Promise<void> {
  await networks[Symbol.asyncDispose]();
}

interface Bench {
  readonly networks: WorkerNetworks;
  readonly memory: Uint8Array;
  readonly send: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;
}

async function answer(
  job: Extract<ToWorker, { readonly jobId: number }>,
  { networks, memory, send }: Bench,
): Promise<void> {
  const { jobId } = job;
  try {
    if (job.kind === 'find') {
      const rgb = memory.subarray(0, job.width * job.height * 3);
      const faces = await networks.find({ width: job.width, height: job.height, rgb });
      send({ kind: 'found', jobId, faces }, ownBuffers(faces));
    } else {
      const { cropSizePixels } = networks.facts;
      const crops = memory.subarray(0, job.count * cropSizePixels * cropSizePixels * 3);
      send({ kind: 'read', jobId, readings: await networks.read(crops, job.count) });
    }
  } catch (thrown) {
    send({ kind: 'failed', jobId, error: toPortable(thrown) });
  }
}

/** The crops move to the main thread instead of being copied; several may lie in one buffer. */
function ownBuffers(faces: readonly FoundFace[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { crop } of faces) {
    if (crop.buffer instanceof ArrayBuffer) buffers.add(crop.buffer);
  }
  return [...buffers];
}

function toPortable(thrown: unknown): PortableError {
  if (thrown instanceof AppError) {
    return {
      code: thrown.code,
      message: thrown.message,
      cause: thrown.cause === undefined ? null : text(thrown.cause),
    };
  }
  const { code, message } = toAppError(thrown);
  return { code, message, cause: text(thrown) };
}

function text(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

/** The other direction, on the main thread. */
export function fromPortable({ code, message, cause }: PortableError): AppError {
  return new AppError(code, message, cause === null ? {} : { cause });
}
