/**
 * Owns what was opened one after the other and closes it in the opposite order. For owners that outlive the function
 * that opened the parts; within one function `await using` does the same.
 */
export class ClosingStack implements AsyncDisposable {
  readonly #open: AsyncDisposable[] = [];
  #closed: Promise<void> | null = null;

  /** Takes over the ownership of `part` and hands it back for use. */
  own<T extends AsyncDisposable>(part: T): T {
    this.#open.push(part);
    return part;
  }

  /** Closes everything, also when a part fails to; then the first failure is thrown. A second call waits for the first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (let part = this.#open.pop(); part !== undefined; part = this.#open.pop()) {
      try {
        await part[Symbol.asyncDispose]();
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
