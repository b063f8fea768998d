import { AppError } from '../errors.ts';
import { type Database, emptyLog, guarded } from './database.ts';
import type { Turns } from './turns.ts';

/** How something is erased: a piece at a time, and at last out of the log as well. */
export interface Erasing {
  /** Runs one piece in its turn. Errors: those of the piece, STORE_FAILED, ABORTED before it. */
  readonly step: <T>(work: () => Promise<T>) => Promise<T>;
  /** Empties the write-ahead log, now or, when another process reads the database, as soon as that is possible. */
  readonly emptyLog: () => Promise<void>;
}

/** Remembers whether erased rows may still be in the write-ahead log. */
export class Eraser {
  readonly #database: Database;
  readonly #turns: Turns;
  /** From the start on: a process that was killed may have left something there. */
  #logDue = true;

  constructor(database: Database, turns: Turns) {
    this.#database = database;
    this.#turns = turns;
  }

  /** For one erasure, which `signal` ends between two pieces. */
  begin(signal?: AbortSignal): Erasing {
    return {
      step: (work) => {
        if (signal?.aborted === true) throw new AppError('ABORTED', 'The erasure was ended between two steps.');
        return this.#turns.run(() => {
          this.#logDue = true;
          return guarded('write the deletion', work);
        });
      },
      emptyLog: async () => {
        await this.finish();
      },
    };
  }

  /** Empties the log where an erasure could not. False when another process still reads the database. */
  finish(): Promise<boolean> {
    return this.#turns.run(async () => {
      if (this.#logDue) this.#logDue = !(await guarded('empty its log', () => emptyLog(this.#database)));
      return !this.#logDue;
    });
  }
}
