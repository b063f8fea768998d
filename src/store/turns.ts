import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { AppError } from '../errors.ts';

/** How long work may follow work before timers, sockets and workers get their turn. */
const BURST_MS = 8;

/**
 * One piece of work at a time, in the order of asking. All of the database's work goes over one connection, and a
 * statement that slips between the BEGIN and the COMMIT of another piece would see rows that are not committed, or be
 * rolled back with them. SQLite works on our thread anyway, so nothing is lost by taking turns.
 *
 * SQLite answers without the event loop, so that a reader who asks for page after page would keep everybody else out: of
 * 40,000 frames for 5 s. Pieces that together took {@link BURST_MS} are therefore followed by a turn of the loop.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  /** When the work began that the event loop has not interrupted yet; `null` when it has. */
  #burstBeganMs: number | null = null;
  #closed = false;

  /** Errors: those of `work`, ABORTED once closed. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue(async () => {
      if (this.#closed) throw new AppError('ABORTED', 'The server is stopping; this was not done in its database.');
      await this.#breathe();
      return await work();
    });
  }

  /** Runs `work` after what waits already; whatever asks later is refused, also a step of something that has begun. */
  close(work: () => Promise<void>): Promise<void> {
    return this.#queue(async () => {
      this.#closed = true;
      await work();
    });
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #breathe(): Promise<void> {
    if (this.#burstBeganMs !== null && performance.now() - this.#burstBeganMs >= BURST_MS) await eventLoopTurn();
    if (this.#burstBeganMs !== null) return;
    this.#burstBeganMs = performance.now();
    setImmediate(() => {
      this.#burstBeganMs = null;
    });
  }
}
