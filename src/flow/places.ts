/** A bounded number of places, each held for as long as something lives. */
export class Places {
  readonly #max: number;
  readonly #refuse: () => Error;
  #taken = 0;
  #refused = 0;

  /** `refuse` makes the error of who finds no place. */
  constructor(max: number, refuse: () => Error) {
    this.#max = max;
    this.#refuse = refuse;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** Takes a place until it is disposed of. Errors: what `refuse` makes. */
  take(): Disposable {
    if (this.#taken >= this.#max) {
      this.#refused += 1;
      throw this.#refuse();
    }
    return this.takeAnyway();
  }

  /** The same without a bound: for what had its place before, such as in an earlier run of the process. */
  takeAnyway(): Disposable {
    this.#taken += 1;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#taken -= 1;
        held = false;
      },
    };
  }
}
