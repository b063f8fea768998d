import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { CropReading, FoundFace, RgbImage } from '../domain.ts';
import { AppError } from '../errors.ts';
import { type ScriptLaunch, settlesWithin } from '../flow/index.ts';
import type { FromWorker, ToWorker, WorkerFacts, WorkerSetup } from './messages.ts';
import { fromPortable } from './serve-jobs.ts';

/** Why a thread is no more: it ended by itself, threw, or was ended because a job took too long. Never leaves this folder. */
export class WorkerDied extends Error {
  override readonly name = 'WorkerDied';
}

export interface WorkerThreadOptions {
  readonly script: ScriptLaunch;
  readonly setup: WorkerSetup;
  /** Time until the networks are loaded and checked. */
  readonly startTimeoutMs: number;
  /** Time of one job, beyond which the thread counts as hung and is ended. */
  readonly jobTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

type Answer = Extract<FromWorker, { readonly kind: 'found' | 'read' }>;

interface OpenJob {
  readonly jobId: number;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** Twice the time of a job, and more than networks take to load. */
const HANGS_FOR_GOOD_MS = 60_000;
/** What a start that failed waits for its thread: a process that ends meanwhile terminates it. */
const LOADS_MS = 5000;
/**
 * On Linux onnxruntime 1.30 searches /proc/self/cmdline by a recursion as deep as that is long: on the 4 MB of a thread's
 * own, 15 kB of arguments (a few hundred file names) end the process; this is enough for 1.3 MB. Address space alone: what
 * is not used costs nothing.
 */
const STACK_MEGABYTES = 512;
const MEBIBYTE = 1024 * 1024;
/** More than a video frame of 1280 pixels a side needs (5 MiB); a huge still picture's memory is not kept. */
const KEPT_BYTES = 16 * MEBIBYTE;
/** Not sooner: pictures and crops take turns, and memory that is shared comes back only when both threads have collected. */
const SMALL_JOBS_UNTIL_LET_GO = 64;

/**
 * One started worker thread, from its first message to its end. It takes one job at a time.
 *
 * Pixels cross in one block of shared memory per thread, filled on this side. The bytes of a job therefore stay with
 * the caller: a job can be tried again after its thread died, and no buffer changes its owner with each frame.
 */
export class WorkerThread {
  /** Settles once, when the thread is no more, whatever the reason. */
  readonly died: Promise<WorkerDied>;
  readonly facts: WorkerFacts;
  readonly #worker: Worker;
  readonly #options: WorkerThreadOptions;
  #reportDeath!: (reason: WorkerDied) => void;
  #memory = new Uint8Array(new SharedArrayBuffer(0));
  #smallJobs = 0;
  #job: OpenJob | null = null;
  #lastJobId = 0;
  #dead: WorkerDied | null = null;

  /** Starts a thread and waits until it is ready. Errors: those of its networks (ENGINE_UNAVAILABLE, ...), ABORTED. */
  static async start(options: WorkerThreadOptions): Promise<WorkerThread> {
    const { signal, script, setup } = options;
    if (signal?.aborted === true) throw startAborted(signal);
    const resourceLimits = process.platform === 'linux' ? { stackSizeMb: STACK_MEGABYTES } : {};
    const worker = new Worker(script.url, { execArgv: script.execArgv, workerData: setup, resourceLimits });
    let timer: NodeJS.Timeout | undefined;
    let abort: (() => void) | undefined;
    try {
      const facts = await new Promise<WorkerFacts>((resolve, reject) => {
        const fail = (message: string, cause?: unknown): void =>
          reject(new AppError('ENGINE_UNAVAILABLE', message, { cause }));
        worker.once('message', (message: FromWorker) => {
          if (message.kind === 'ready') resolve(message.facts);
          else if (message.kind === 'startFailed') reject(fromPortable(message.error));
        });
        worker.once('error', (thrown) =>
          fail('A worker thread failed while it started; the log has the cause.', thrown),
        );
        worker.once('exit', (code) => fail(`A worker thread ended with exit code ${code} while it started.`));
        timer = setTimeout(
          () => fail(`A worker thread was not ready within ${options.startTimeoutMs} ms. Is the machine overloaded?`),
          options.startTimeoutMs,
        );
        abort = () => reject(startAborted(signal));
        signal?.addEventListener('abort', abort, { once: true });
      });
      forgetStart(worker);
      return new WorkerThread(worker, facts, options);
    } catch (thrown) {
      forgetStart(worker);
      worker.on('error', () => undefined);
      letEnd(worker);
      // Not longer: one that hangs inside a driver shall not hang the server.
      if (worker.threadId !== -1) await settlesWithin(once(worker, 'exit'), LOADS_MS);
      throw thrown;
    } finally {
      clearTimeout(timer);
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
    }
  }

  private constructor(worker: Worker, facts: WorkerFacts, options: WorkerThreadOptions) {
    this.#worker = worker;
    this.#options = options;
    this.facts = facts;
    this.died = new Promise((resolve) => {
      this.#reportDeath = resolve;
    });
    let lastError: unknown;
    worker.on('message', (message: FromWorker) => this.#receive(message));
    worker.on('error', (thrown) => {
      lastError = thrown;
    });
    worker.on('exit', (code) => {
      const reason = lastError instanceof Error ? lastError.message : `exit code ${code}`;
      this.#end(new WorkerDied(`A worker thread ended (${reason}).`, { cause: lastError }));
    });
  }

  get busy(): boolean {
    return this.#job !== null;
  }

  get alive(): boolean {
    return this.#dead === null;
  }

  /** Looks for faces. Errors: {@link WorkerDied}, or the AppError of the search. */
  async find(image: RgbImage): Promise<readonly FoundFace[]> {
    const { width, height, rgb } = image;
    this.#reserve(rgb.length).set(rgb);
    const answer = await this.#ask((jobId) => ({ kind: 'find', jobId, width, height }));
    return answer.kind === 'found' ? answer.faces : [];
  }

  /** Reads crops of the model's size. Errors: {@link WorkerDied}, or the AppError of the run. */
  async read(crops: readonly Uint8Array[]): Promise<readonly CropReading[]> {
    const cropBytes = this.facts.cropSizePixels * this.facts.cropSizePixels * 3;
    const memory = this.#reserve(cropBytes * crops.length);
    for (const [index, crop] of crops.entries()) memory.set(crop, index * cropBytes);
    const answer = await this.#ask((jobId) => ({ kind: 'read', jobId, count: crops.length }));
    return answer.kind === 'read' ? answer.readings : [];
  }

  /** Lets the thread end its networks, and ends it the hard way when that takes longer than `limitMs`. */
  async close(limitMs: number): Promise<void> {
    if (this.#dead !== null) return;
    this.#send({ kind: 'close' });
    await settlesWithin(this.died, limitMs);
    if (this.alive) this.kill('it did not close in time');
  }

  /** Gives the thread up now; it ends by itself when its job returns. */
  kill(why: string): void {
    this.#end(new WorkerDied(`A worker thread was ended because ${why}.`));
    letEnd(this.#worker);
    this.#worker.unref();
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #reserve(bytes: number): Uint8Array {
    const held = this.#memory.length;
    this.#smallJobs = bytes <= KEPT_BYTES ? this.#smallJobs + 1 : 0;
    if (held < bytes || (held > KEPT_BYTES && this.#smallJobs >= SMALL_JOBS_UNTIL_LET_GO)) {
      const memory = new SharedArrayBuffer(Math.ceil(bytes / MEBIBYTE) * MEBIBYTE);
      this.#memory = new Uint8Array(memory);
      this.#send({ kind: 'memory', memory });
    }
    return this.#memory;
  }

  async #ask(message: (jobId: number) => ToWorker): Promise<Answer> {
    if (this.#dead !== null) throw this.#dead;
    if (this.#job !== null) throw new AppError('INTERNAL', 'A worker thread got a job while it was busy.');
    this.#lastJobId += 1;
    const jobId = this.#lastJobId;
    const { jobTimeoutMs } = this.#options;
    const timer = setTimeout(() => this.kill(`a job took more than ${jobTimeoutMs} ms`), jobTimeoutMs);
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#job = { jobId, resolve, reject };
        this.#send(message(jobId));
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #receive(message: FromWorker): void {
    const job = this.#job;
    if (job === null || !('jobId' in message) || message.jobId !== job.jobId) return;
    this.#job = null;
    if (message.kind === 'failed') job.reject(fromPortable(message.error));
    else job.resolve(message);
  }

  #end(reason: WorkerDied): void {
    if (this.#dead !== null) return;
    this.#dead = reason;
    const job = this.#job;
    this.#job = null;
    job?.reject(reason);
    this.#reportDeath(reason);
  }
}

/**
 * Lets a thread end by itself, when it has loaded its networks or its job returns; one that has not after a minute hangs
 * for good and is terminated. Not sooner: onnxruntime 1.30 throws when its thread is terminated while it loads or runs a
 * network, which aborts the whole process.
 */
function letEnd(worker: Worker): void {
  worker.postMessage({ kind: 'close' } satisfies ToWorker);
  const timer = setTimeout(() => void worker.terminate(), HANGS_FOR_GOOD_MS);
  timer.unref();
  worker.once('exit', () => clearTimeout(timer));
}

/** By name: without one, Node's own listener goes as well, and with it every later message. */
function forgetStart(worker: Worker): void {
  for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
}

function startAborted(signal: AbortSignal | undefined): AppError {
  return new AppError('ABORTED', 'The start of the inference workers was ended.', { cause: signal?.reason });
}
