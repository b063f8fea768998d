import { AppError } from '../errors.ts';

export interface FairQueueOptions {
  /** Shown in errors and logs, e.g. `faces to read`. */
  readonly name: string;
  /** Most items in the queue, all keys together. */
  readonly maxItems: number;
  /** Most items of one key, so that one key cannot take all the room. */
  readonly maxItemsPerKey: number;
  /** Most callers of {@link FairQueue.put} that wait for room, all keys together; 0 never lets one wait. */
  readonly maxWaiters: number;
}

export interface FairQueueStatistics {
  readonly queued: number;
  /** Keys that have something in the queue. */
  readonly keys: number;
  /** Callers that wait for room. */
  readonly waiting: number;
  /** Items refused since the start, because neither the queue nor its waiting room had a place. */
  readonly refused: number;
}

interface Entry<T> {
  readonly item: T;
  /** When it entered the queue, on the clock of `performance.now()`. */
  readonly sinceMs: number;
}

interface Waiter<T> {
  readonly item: T;
  enter(): void;
  leave(error: AppError): void;
}

interface Line<T> {
  readonly entries: Entry<T>[];
  readonly waiters: Set<Waiter<T>>;
}

/**
 * A bounded queue that is fair between keys: each key has a line of its own, first in first out, and the lines are
 * served in turn, one item each. Room that becomes free goes to waiting callers, again one key after the other.
 */
export class FairQueue<T> {
  readonly #options: FairQueueOptions;
  readonly #lines = new Map<string, Line<T>>();
  /** Keys with entries, and keys with waiters, the one whose turn is next first. */
  readonly #turns: string[] = [];
  readonly #waitingTurns: string[] = [];
  #queued = 0;
  #waiting = 0;
  #refused = 0;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#queued;
  }

  /** When the longest waiting item entered, on the clock of `performance.now()`; `null` when the queue is empty. */
  get oldestSinceMs(): number | null {
    let oldest: number | null = null;
    for (const key of this.#turns) {
      const since = this.#lines.get(key)!.entries[0]!.sinceMs;
      if (oldest === null || since < oldest) oldest = since;
    }
    return oldest;
  }

  statistics(): FairQueueStatistics {
    return { queued: this.#queued, keys: this.#turns.length, waiting: this.#waiting, refused: this.#refused };
  }

  /** Puts an item in its key's line when there is room now; false (nothing is counted) when there is none. */
  offer(key: string, item: T): boolean {
    const line = this.#lines.get(key);
    // Those who wait for room of this key came first.
    if (!this.#hasRoom(line) || (line?.waiters.size ?? 0) > 0) return false;
    this.#append(key, item);
    return true;
  }

  /**
   * Puts an item in its key's line, after a wait for room where there is none. Errors: OVERLOADED when the waiting room
   * is full, ABORTED when the signal fires before the item has entered (afterwards {@link remove} takes it out).
   */
  async put(key: string, item: T, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) throw left(signal);
    if (this.offer(key, item)) return;
    if (this.#waiting >= this.#options.maxWaiters) {
      this.#refused += 1;
      throw new AppError(
        'OVERLOADED',
        `The queue of ${this.#options.name} is full (${this.#queued} queued, ${this.#waiting} waiting). Try again later.`,
      );
    }
    await new Promise<void>((resolve, reject) => {
      const line = this.#lineOf(key);
      const onAbort = (): void => waiter.leave(left(signal));
      const settle = (): void => {
        signal?.removeEventListener('abort', onAbort);
        line.waiters.delete(waiter);
        this.#waiting -= 1;
        if (line.waiters.size === 0) removeFrom(this.#waitingTurns, key);
      };
      const waiter: Waiter<T> = {
        item,
        enter: () => {
          settle();
          this.#append(key, item);
          resolve();
        },
        leave: (error) => {
          settle();
          this.#forgetIfEmpty(key);
          reject(error);
        },
      };
      if (line.waiters.size === 0) this.#waitingTurns.push(key);
      line.waiters.add(waiter);
      this.#waiting += 1;
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Takes up to `count` items, one of each key in turn. */
  take(count: number): Entry<T>[] {
    const taken: Entry<T>[] = [];
    while (taken.length < count) {
      const key = this.#turns.shift();
      if (key === undefined) break;
      const { entries } = this.#lines.get(key)!;
      taken.push(entries.shift()!);
      if (entries.length > 0) this.#turns.push(key);
      else this.#forgetIfEmpty(key);
    }
    this.#queued -= taken.length;
    this.#admit();
    return taken;
  }

  /** Takes out the items of one key that `which` picks, and returns how many there were. */
  remove(key: string, which: (item: T) => boolean): number {
    const entries = this.#lines.get(key)?.entries ?? [];
    const kept = entries.filter((entry) => !which(entry.item));
    const removed = entries.length - kept.length;
    if (removed === 0) return 0;
    entries.splice(0, entries.length, ...kept);
    this.#queued -= removed;
    if (kept.length === 0) {
      removeFrom(this.#turns, key);
      this.#forgetIfEmpty(key);
    }
    this.#admit();
    return removed;
  }

  /** Empties the queue: returns what was in it and turns away those who wait with `error`. */
  clear(error: AppError): T[] {
    for (const key of this.#waitingTurns.slice()) {
      for (const waiter of this.#lines.get(key)?.waiters ?? []) waiter.leave(error);
    }
    return this.take(this.#queued).map((entry) => entry.item);
  }

  #hasRoom(line: Line<T> | undefined): boolean {
    return this.#queued < this.#options.maxItems && (line?.entries.length ?? 0) < this.#options.maxItemsPerKey;
  }

  #lineOf(key: string): Line<T> {
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = { entries: [], waiters: new Set() };
      this.#lines.set(key, line);
    }
    return line;
  }

  #append(key: string, item: T): void {
    const { entries } = this.#lineOf(key);
    if (entries.length === 0) this.#turns.push(key);
    entries.push({ item, sinceMs: performance.now() });
    this.#queued += 1;
  }

  #admit(): void {
    // A round in which no key had room ends it: keys at their own bound wait for their own line.
    for (let passed = 0; passed < this.#waitingTurns.length && this.#queued < this.#options.maxItems; ) {
      const key = this.#waitingTurns.shift()!;
      this.#waitingTurns.push(key);
      const line = this.#lines.get(key)!;
      const [first] = line.waiters;
      if (first !== undefined && this.#hasRoom(line)) {
        first.enter();
        passed = 0;
      } else {
        passed += 1;
      }
    }
  }

  /** Keys come and go with streams; an empty line that stayed would be a leak. */
  #forgetIfEmpty(key: string): void {
    const line = this.#lines.get(key);
    if (line !== undefined && line.entries.length === 0 && line.waiters.size === 0) this.#lines.delete(key);
  }
}

function removeFrom(keys: string[], key: string): void {
  const at = keys.indexOf(key);
  if (at >= 0) keys.splice(at, 1);
}

function left(signal: AbortSignal | undefined): AppError {
  return new AppError('ABORTED', 'The work was ended while it waited for its turn.', { cause: signal?.reason });
}
