import { type AppError, toAppError } from '../errors.ts';
import type { ScriptLaunch } from '../flow/index.ts';
import type { JobKind, WorkerFacts, WorkerSetup } from './messages.ts';
import { WorkerThread } from './worker-thread.ts';

export interface CrewOptions {
  readonly script: ScriptLaunch;
  readonly setup: Omit<WorkerSetup, 'serves'>;
  readonly workers: number;
  readonly startTimeoutMs: number;
  readonly jobTimeoutMs: number;
  /** First pause before a dead worker is replaced; it doubles with each death in a row, up to a limit. */
  readonly restartDelayMs: number;
  readonly signal?: AbortSignal | undefined;
  /** A worker that died, or a replacement that could not start. For the log. */
  readonly onTrouble: (error: Error) => void;
}

/** What the owner of a crew is told. */
export interface CrewEvents {
  /** A replacement is ready for work. */
  onReady(): void;
  /** No worker that serves this kind is up or starting; the next try comes after a pause. */
  onDown(kind: JobKind, reason: AppError): void;
}

type Occupant =
  | { readonly state: 'up'; readonly thread: WorkerThread }
  | { readonly state: 'starting' }
  | { readonly state: 'pausing'; readonly timer: NodeJS.Timeout }
  | { readonly state: 'closed' };

interface Seat {
  readonly serves: readonly JobKind[];
  /** Deaths and failed starts since its worker last did a job. */
  failures: number;
  occupant: Occupant;
}

/** A worker with nothing to do, and the kinds of job that it may get. */
export interface IdleWorker {
  readonly thread: WorkerThread;
  readonly serves: readonly JobKind[];
}

const ALL_KINDS: readonly JobKind[] = ['find', 'read'];
const MAX_RESTART_DELAY_MS = 10_000;
/** An idle worker ends within milliseconds. */
const START_CLEANUP_MS = 2_000;

/** A fixed number of seats for worker threads, each filled again when its thread dies. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #setup: Omit<WorkerSetup, 'serves'>;
  readonly #facts: WorkerFacts;
  readonly #seats: Seat[] = [];
  readonly #starts = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #events: CrewEvents = { onReady: () => undefined, onDown: () => undefined };
  #restarts = 0;

  /**
   * Starts all workers. The first one settles the provider, the others are told. A graphics card has one owner: there
   * the first worker alone reads faces (with batches from all streams) and the others look for faces; threads that
   * share a card would only wait for each other, each with its own copy of the model.
   * Errors: ENGINE_UNAVAILABLE and what else the networks throw, ABORTED; nothing remains running then.
   */
  static async start(options: CrewOptions): Promise<Crew> {
    const { workers, setup } = options;
    const first = await launch(options, { ...setup, serves: ALL_KINDS });
    const settled = { ...setup, provider: first.facts.provider };
    const alone = workers === 1 || !first.facts.usesGraphicsCard;
    const serves: readonly JobKind[] = alone ? ALL_KINDS : ['find'];
    const others = await Promise.allSettled(
      Array.from({ length: workers - 1 }, () => launch(options, { ...settled, serves })),
    );
    const up = others.flatMap((other) => (other.status === 'fulfilled' ? [other.value] : []));
    const failed = others.find((other) => other.status === 'rejected');
    if (failed !== undefined) {
      await Promise.all([first, ...up].map((thread) => thread.close(START_CLEANUP_MS)));
      throw failed.reason;
    }
    const crew = new Crew(options, settled, first.facts);
    crew.#seat(first, alone ? ALL_KINDS : ['read']);
    for (const thread of up) crew.#seat(thread, serves);
    return crew;
  }

  private constructor(options: CrewOptions, setup: Omit<WorkerSetup, 'serves'>, facts: WorkerFacts) {
    this.#facts = facts;
    this.#options = options;
    this.#setup = setup;
  }

  set events(events: CrewEvents) {
    this.#events = events;
  }

  /** Facts of the networks, the same for all workers. */
  get facts(): WorkerFacts {
    return this.#facts;
  }

  /** Workers that were replaced since the start. */
  get restarts(): number {
    return this.#restarts;
  }

  get up(): number {
    return this.#threads().length;
  }

  /** Workers that are up and serve this kind of job. */
  upFor(kind: JobKind): number {
    return this.#seats.filter(
      ({ serves, occupant }) => serves.includes(kind) && occupant.state === 'up' && occupant.thread.alive,
    ).length;
  }

  get busy(): number {
    return this.#threads().filter((thread) => thread.busy).length;
  }

  /** Workers with nothing to do; those of one kind of job first, so that others stay free for what only they can do. */
  idle(): IdleWorker[] {
    return this.#seats
      .flatMap(({ occupant, serves }) =>
        occupant.state === 'up' && occupant.thread.alive && !occupant.thread.busy
          ? [{ thread: occupant.thread, serves }]
          : [],
      )
      .sort((one, other) => one.serves.length - other.serves.length);
  }

  /** Tells that a worker has done a job, so that its next death counts as a first one. */
  proved(thread: WorkerThread): void {
    const seat = this.#seats.find(({ occupant }) => occupant.state === 'up' && occupant.thread === thread);
    if (seat !== undefined) seat.failures = 0;
  }

  /** Ends every worker; those that do not end by themselves within `limitMs` are ended the hard way. */
  async close(limitMs: number): Promise<void> {
    this.#closing.abort();
    const threads = this.#threads();
    for (const seat of this.#seats) {
      if (seat.occupant.state === 'pausing') clearTimeout(seat.occupant.timer);
      seat.occupant = { state: 'closed' };
    }
    await Promise.all([...threads.map((thread) => thread.close(limitMs)), ...this.#starts]);
  }

  #threads(): WorkerThread[] {
    return this.#seats.flatMap(({ occupant }) =>
      occupant.state === 'up' && occupant.thread.alive ? [occupant.thread] : [],
    );
  }

  #seat(thread: WorkerThread, serves: readonly JobKind[]): void {
    const seat: Seat = { serves, failures: 0, occupant: { state: 'up', thread } };
    this.#seats.push(seat);
    this.#watch(seat, thread);
  }

  #watch(seat: Seat, thread: WorkerThread): void {
    void thread.died.then((reason) => {
      if (seat.occupant.state === 'closed') return;
      this.#options.onTrouble(reason);
      this.#pause(seat);
    });
  }

  #pause(seat: Seat): void {
    const delayMs = Math.min(MAX_RESTART_DELAY_MS, this.#options.restartDelayMs * 2 ** seat.failures);
    seat.failures += 1;
    const timer = setTimeout(() => {
      const start = this.#refill(seat);
      this.#starts.add(start);
      void start.finally(() => this.#starts.delete(start));
    }, delayMs);
    seat.occupant = { state: 'pausing', timer };
  }

  /** Never rejects. */
  async #refill(seat: Seat): Promise<void> {
    seat.occupant = { state: 'starting' };
    try {
      const setup = { ...this.#setup, serves: seat.serves };
      const thread = await launch({ ...this.#options, signal: this.#closing.signal }, setup);
      if (this.#closing.signal.aborted) {
        thread.kill('the pool is closed');
        return;
      }
      this.#restarts += 1;
      seat.occupant = { state: 'up', thread };
      this.#watch(seat, thread);
      this.#events.onReady();
    } catch (thrown) {
      if (this.#closing.signal.aborted) return;
      const reason = toAppError(thrown);
      this.#options.onTrouble(reason);
      this.#pause(seat);
      for (const kind of seat.serves) {
        if (!this.#mayServe(kind)) this.#events.onDown(kind, reason);
      }
    }
  }

  #mayServe(kind: JobKind): boolean {
    return this.#seats.some(
      ({ serves, occupant }) => serves.includes(kind) && (occupant.state === 'up' || occupant.state === 'starting'),
    );
  }
}

function launch(options: CrewOptions, setup: WorkerSetup): Promise<WorkerThread> {
  const { script, startTimeoutMs, jobTimeoutMs, signal } = options;
  return WorkerThread.start({ script, setup, startTimeoutMs, jobTimeoutMs, signal });
}
