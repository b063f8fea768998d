/**
 * One piece of work at a time, in the order of asking. All of the database's work goes over one connection, and a
 * statement that slips between the BEGIN and the COMMIT of another piece would see rows that are not committed, or be
 * rolled back with them. SQLite works on our thread anyway, so nothing is lost by taking turns.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
