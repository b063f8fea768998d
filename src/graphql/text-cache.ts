/** Keeps the values used last, as many as have keys of at most `maxCharacters` together. */
export class TextCache<T> {
  readonly #maxCharacters: number;
  /** The longest unused first. */
  readonly #values = new Map<string, T>();
  #characters = 0;

  constructor(maxCharacters: number) {
    this.#maxCharacters = maxCharacters;
  }

  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: T): void {
    if (this.#values.delete(key)) this.#characters -= key.length;
    this.#values.set(key, value);
    this.#characters += key.length;
    for (const oldest of this.#values.keys()) {
      if (this.#characters <= this.#maxCharacters) return;
      this.#values.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
