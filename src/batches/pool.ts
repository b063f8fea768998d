import type { CropReading, FoundFace, RgbImage } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { FairQueue, type ScriptLaunch, scriptLaunch, settlesWithin } from '../flow/index.ts';
import { Call, type OpenCall } from './call.ts';
import { Crew, type IdleWorker } from './crew.ts';
import { decide } from './dispatch.ts';
import type { JobKind, WorkerFacts } from './messages.ts';
import { Counters, type PoolStatistics } from './statistics.ts';
import { WorkerDied, type WorkerThread } from './worker-thread.ts';

export interface VisionPoolOptions {
  /** Threads that run the networks, 1 or more. */
  readonly workers: number;
  /** Most faces that the model reads at once, 1 or more. */
  readonly maxBatch: number;
  /** Longest time that an idle worker lets a face wait for others; 0 never waits. */
  readonly maxWaitMs: number;
  readonly workerSetup: {
    /** Folder with card.json and model.onnx, or the path of a YuNet .onnx file. */
    readonly detector: string;
    /** Folder of the affect model's card. */
    readonly model: string;
    /** Name of the library that runs the affect model. */
    readonly engine: string;
    /** `auto`, or the name of a provider that must work. */
    readonly provider: string;
  };
  /** The script of a worker thread, which calls `serveJobs`. Default the program's own. */
  readonly script?: ScriptLaunch;
  /** Most pictures in the queue, of all keys and of one. Default 64 and 16. */
  readonly maxFindsQueued?: number;
  readonly maxFindsQueuedPerKey?: number;
  /** Most crops in the queue, of all keys and of one. Default 1024 and 256: 7 kB each at 48 pixels. */
  readonly maxReadsQueued?: number;
  readonly maxReadsQueuedPerKey?: number;
  /** Most calls of each kind that wait for room in the queue; further ones are refused with OVERLOADED. Default 256. */
  readonly maxWaiters?: number;
  /** Time for a worker to load and check its networks. Default 120 000: CUDA's first start is slow. */
  readonly startTimeoutMs?: number;
  /** Time of one job beyond which its worker counts as hung and is replaced. Default 30 000. */
  readonly jobTimeoutMs?: number;
  /** Time that jobs in flight get when the pool closes, before their callers are turned away. Default 5 000. */
  readonly closeTimeoutMs?: number;
  /** First pause before a dead worker is replaced; doubles with each death in a row up to 10 000. Default 100. */
  readonly restartDelayMs?: number;
  /** Ends the start; a pool that has started is ended by disposing of it. */
  readonly signal?: AbortSignal;
  /** Told of each worker that died and each replacement that could not start. Default nobody. */
  readonly onTrouble?: (error: Error) => void;
}

export interface VisionFacts extends WorkerFacts {
  readonly workers: number;
  readonly maxBatch: number;
}

/**
 * The networks, as the rest of the program sees them: face search and reading over a pool of worker threads.
 *
 * A key stands for a stream (or a picture). Work of all keys shares the workers, in turn and one item each; the crops of
 * all keys share the model's batches. Calls wait for room in bounded queues, which is the back-pressure for callers with
 * a bounded number of calls in flight; a call beyond the bounded waiting room is refused.
 *
 * Errors of both methods: OVERLOADED (queue and waiting room are full), ABORTED (the signal, or the pool closes; what
 * waited leaves at once, what is in flight has its result dropped), WORKER_FAILED (a worker died over it twice, or a
 * network gave no usable answer), ENGINE_UNAVAILABLE (no worker runs and none could be started).
 */
export interface VisionPool extends AsyncDisposable {
  readonly facts: VisionFacts;
  /** Finds the faces of a picture. Its pixels must stay as they are until the call has settled; they are not kept. */
  findFaces(key: string, image: RgbImage, signal?: AbortSignal): Promise<readonly FoundFace[]>;
  /** Reads crops of `facts.cropSizePixels` a side; the readings come in the order of the crops. */
  readFaces(key: string, crops: readonly Uint8Array[], signal?: AbortSignal): Promise<readonly CropReading[]>;
  statistics(): PoolStatistics;
}

interface FindItem {
  readonly call: Call<readonly FoundFace[]>;
  readonly image: RgbImage;
}

interface ReadItem {
  readonly call: Call<readonly CropReading[]>;
  readonly crop: Uint8Array;
  readonly deliver: (reading: CropReading) => void;
}

type Job =
  | { readonly kind: 'find'; readonly items: readonly FindItem[]; readonly attempt: number }
  | { readonly kind: 'read'; readonly items: readonly ReadItem[]; readonly attempt: number };

/** A failure costs one more try, of each call alone; one that fails twice is taken to be the reason. */
const MAX_ATTEMPTS = 2;

/** Starts the workers and resolves when all are ready. Errors: ENGINE_UNAVAILABLE, ABORTED; nothing runs on then. */
export async function createVisionPool(options: VisionPoolOptions): Promise<VisionPool> {
  const crew = await Crew.start({
    script: options.script ?? scriptLaunch('../worker', import.meta.url),
    setup: { ...options.workerSetup, maxBatch: options.maxBatch },
    workers: options.workers,
    startTimeoutMs: options.startTimeoutMs ?? 120_000,
    jobTimeoutMs: options.jobTimeoutMs ?? 30_000,
    restartDelayMs: options.restartDelayMs ?? 100,
    signal: options.signal,
    onTrouble: options.onTrouble ?? (() => undefined),
  });
  return new Pool(crew, options);
}

class Pool implements VisionPool {
  readonly facts: VisionFacts;
  readonly #crew: Crew;
  readonly #options: VisionPoolOptions;
  readonly #finds: FairQueue<FindItem>;
  readonly #reads: FairQueue<ReadItem>;
  readonly #counters: Counters;
  /** What failed once: a job for each worker at most, because each came from a worker's hands, or its calls one by one. */
  readonly #retries: Job[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  /** Calls that are not settled, for the end. */
  readonly #calls = new Set<OpenCall>();
  #readsInARow = 0;
  #turn: NodeJS.Immediate | null = null;
  #batchTimer: NodeJS.Timeout | null = null;
  #closed: Promise<void> | null = null;

  constructor(crew: Crew, options: VisionPoolOptions) {
    this.#crew = crew;
    this.#options = options;
    this.facts = { ...crew.facts, workers: options.workers, maxBatch: options.maxBatch };
    this.#counters = new Counters(options.maxBatch);
    const { maxWaiters = 256 } = options;
    this.#finds = new FairQueue({
      name: 'pictures to search',
      maxItems: options.maxFindsQueued ?? 64,
      maxItemsPerKey: options.maxFindsQueuedPerKey ?? 16,
      maxWaiters,
    });
    this.#reads = new FairQueue({
      name: 'faces to read',
      maxItems: options.maxReadsQueued ?? 1024,
      maxItemsPerKey: options.maxReadsQueuedPerKey ?? 256,
      maxWaiters,
    });
    crew.events = {
      onReady: () => this.#schedule(),
      onDown: (kind, reason) => this.#turnAway(kind, reason),
    };
  }

  async findFaces(key: string, image: RgbImage, signal?: AbortSignal): Promise<readonly FoundFace[]> {
    const call = this.#open<readonly FoundFace[]>(signal);
    const item: FindItem = { call, image };
    call.left.addEventListener('abort', () => this.#finds.remove(key, (other) => other === item), { once: true });
    await this.#enter(call, async () => this.#finds.put(key, item, call.left));
    return call.promise;
  }

  async readFaces(key: string, crops: readonly Uint8Array[], signal?: AbortSignal): Promise<readonly CropReading[]> {
    const call = this.#open<readonly CropReading[]>(signal);
    const readings: CropReading[] = [];
    let missing = crops.length;
    if (missing === 0) call.resolve(readings);
    call.left.addEventListener('abort', () => this.#reads.remove(key, (item) => item.call === call), { once: true });
    await this.#enter(call, async () => {
      for (const [index, crop] of crops.entries()) {
        if (call.settled) return;
        const deliver = (reading: CropReading): void => {
          readings[index] = reading;
          missing -= 1;
          if (missing === 0) call.resolve(readings);
        };
        const item: ReadItem = { call, crop, deliver };
        if (!this.#reads.offer(key, item)) {
          this.#schedule();
          await this.#reads.put(key, item, call.left);
          // The call may have failed in the moment between the room that became free and now.
          if (call.settled) this.#reads.remove(key, (other) => other === item);
        }
      }
    });
    return call.promise;
  }

  statistics(): PoolStatistics {
    const { picturesSearched, facesRead, retries, failures, dropped, batchSizes } = this.#counters;
    return {
      find: { ...this.#finds.statistics(), ...this.#counters.times('find'), workersUp: this.#crew.upFor('find') },
      read: { ...this.#reads.statistics(), ...this.#counters.times('read'), workersUp: this.#crew.upFor('read') },
      workersUp: this.#crew.up,
      workersBusy: this.#crew.busy,
      restarts: this.#crew.restarts,
      picturesSearched,
      facesRead,
      batchSizes: [...batchSizes],
      retries,
      failures,
      dropped,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#turn !== null) clearImmediate(this.#turn);
    if (this.#batchTimer !== null) clearTimeout(this.#batchTimer);
    const reason = closed();
    this.#turnAway('find', reason);
    this.#turnAway('read', reason);
    const limitMs = this.#options.closeTimeoutMs ?? 5_000;
    await settlesWithin(Promise.all(this.#inFlight), limitMs);
    for (const call of this.#calls) call.reject(reason);
    await this.#crew.close(limitMs);
    await Promise.all(this.#inFlight);
  }

  #open<T>(signal: AbortSignal | undefined): Call<T> {
    const call = new Call<T>(signal);
    if (this.#closed !== null) call.reject(closed());
    if (call.settled) return call;
    this.#calls.add(call);
    void call.promise.catch(() => undefined).finally(() => this.#calls.delete(call));
    return call;
  }

  /** Runs the entering of a call into its queue; a failure of it becomes the call's. */
  async #enter(call: OpenCall, enter: () => Promise<void>): Promise<void> {
    if (call.settled) return;
    try {
      await enter();
    } catch (thrown) {
      call.reject(toAppError(thrown));
    }
    this.#schedule();
  }

  /** Hands out work after the present turn of the event loop, so that whatever arrives in it makes one batch. */
  #schedule(): void {
    if (this.#closed !== null) return;
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      this.#handOut();
    });
  }

  #handOut(): void {
    if (this.#batchTimer !== null) clearTimeout(this.#batchTimer);
    this.#batchTimer = null;
    for (const worker of this.#crew.idle()) {
      const job = this.#takeRetry(worker) ?? this.#takeJob(worker);
      if (job === null) continue;
      const work = this.#work(worker.thread, job);
      this.#inFlight.add(work);
      void work.finally(() => {
        this.#inFlight.delete(work);
        this.#schedule();
      });
    }
  }

  #takeRetry({ serves }: IdleWorker): Job | null {
    const at = this.#retries.findIndex((job) => serves.includes(job.kind));
    return at < 0 ? null : this.#retries.splice(at, 1)[0]!;
  }

  #takeJob({ serves }: IdleWorker): Job | null {
    const now = performance.now();
    const decision = decide({
      findsQueued: serves.includes('find') ? this.#finds.size : 0,
      readsQueued: serves.includes('read') ? this.#reads.size : 0,
      oldestReadMs: now - (this.#reads.oldestSinceMs ?? now),
      jobsInFlight: this.#inFlight.size,
      readsInARow: this.#readsInARow,
      maxBatch: this.facts.maxBatch,
      maxWaitMs: this.#options.maxWaitMs,
    });
    switch (decision.kind) {
      case 'find':
        this.#readsInARow = 0;
        return { kind: 'find', items: this.#take(this.#finds, 'find', 1), attempt: 1 };
      case 'read': {
        this.#readsInARow += 1;
        const items = this.#take(this.#reads, 'read', this.facts.maxBatch);
        this.#counters.batchSizes[items.length - 1]! += 1;
        return { kind: 'read', items, attempt: 1 };
      }
      case 'wait':
        this.#batchTimer ??= setTimeout(() => this.#handOut(), Math.ceil(decision.ms));
        return null;
      case 'rest':
        return null;
    }
  }

  #take<T>(queue: FairQueue<T>, kind: JobKind, count: number): T[] {
    const now = performance.now();
    return queue.take(count).map(({ item, sinceMs }) => {
      this.#counters.waited(kind, now - sinceMs);
      return item;
    });
  }

  /** Has a worker do a job and settles its calls. Never rejects. */
  async #work(thread: WorkerThread, job: Job): Promise<void> {
    const beganAtMs = performance.now();
    try {
      if (job.kind === 'find') await this.#find(thread, job.items);
      else await this.#read(thread, job.items);
      this.#counters.worked(job.kind, performance.now() - beganAtMs);
      this.#crew.proved(thread);
    } catch (thrown) {
      const died = thrown instanceof WorkerDied;
      const calls = callsOf(job);
      if (this.#closed !== null && died) {
        this.#fail(job, closed());
      } else if (
        job.attempt < MAX_ATTEMPTS &&
        (died || (calls.length > 1 && asJobError(thrown).code === 'WORKER_FAILED'))
      ) {
        // One stream's picture must not cost another's: the reason is in one of the calls, and the others can do without it.
        this.#counters.retries += calls.length;
        this.#retries.push(...calls);
      } else if (!died) {
        this.#fail(job, asJobError(thrown));
      } else {
        const what = job.kind === 'find' ? 'a picture' : `a batch of ${job.items.length} faces`;
        const message = `The worker threads ended twice over ${what}; it was left out. The log has the causes.`;
        this.#fail(job, new AppError('WORKER_FAILED', message, { cause: thrown }));
      }
    }
  }

  async #find(thread: WorkerThread, items: readonly FindItem[]): Promise<void> {
    for (const { call, image } of items) {
      if (call.settled) continue;
      const faces = await thread.find(image);
      this.#counters.picturesSearched += 1;
      if (call.settled) this.#counters.dropped += 1;
      else call.resolve(faces);
    }
  }

  async #read(thread: WorkerThread, all: readonly ReadItem[]): Promise<void> {
    // Callers may have left while the batch waited for its second try.
    const items = all.filter((item) => !item.call.settled);
    if (items.length === 0) return;
    const readings = await thread.read(items.map((item) => item.crop));
    this.#counters.facesRead += items.length;
    for (const [index, { call, deliver }] of items.entries()) {
      if (call.settled) this.#counters.dropped += 1;
      else deliver(readings[index]!);
    }
  }

  #fail(job: Job, error: AppError): void {
    const calls = new Set<OpenCall>(job.items.map((item) => item.call));
    for (const call of calls) {
      if (!call.settled && error.code === 'WORKER_FAILED') this.#counters.failures += 1;
      call.reject(error);
    }
  }

  /** Rejects everything of one kind that is not in a worker's hands. */
  #turnAway(kind: JobKind, reason: AppError): void {
    const waiting = kind === 'find' ? this.#finds.clear(reason) : this.#reads.clear(reason);
    for (const { call } of waiting) call.reject(reason);
    for (const job of this.#retries.filter((candidate) => candidate.kind === kind)) {
      this.#retries.splice(this.#retries.indexOf(job), 1);
      this.#fail(job, reason);
    }
  }
}

/** The jobs that a job falls into when each call is tried alone. */
function callsOf(job: Job): Job[] {
  const attempt = job.attempt + 1;
  if (job.kind === 'find') return [{ ...job, attempt }];
  const ofCall = new Map<OpenCall, ReadItem[]>();
  for (const item of job.items) ofCall.set(item.call, [...(ofCall.get(item.call) ?? []), item]);
  return [...ofCall.values()].map((items) => ({ kind: 'read', items, attempt }));
}

function asJobError(thrown: unknown): AppError {
  const error = toAppError(thrown);
  if (error.code !== 'INTERNAL') return error;
  return new AppError('WORKER_FAILED', 'A network failed over this picture or batch; the log has the cause.', {
    cause: error.cause,
  });
}

function closed(): AppError {
  return new AppError('ABORTED', 'The inference workers are closing. Try again when the server is back.');
}
