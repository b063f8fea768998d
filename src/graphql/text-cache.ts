export interface TextCacheOptions {
  readonly maxCharacters: number;
  /** What each value counts besides the characters of its key. */
  readonly entryCharacters: number;
}

/** Keeps the values used last, as many as the characters of their keys allow. */
export class TextCache<T> {
  readonly #options: TextCacheOptions;
  /** The longest unused first. */
  readonly #values = new Map<string, T>();
  #characters = 0;

  constructor(options: TextCacheOptions) {
    this.#options = options;
  }

  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: T): void {
    this.#forget(key);
    this.#values.set(key, value);
    this.#characters += key.length + this.#options.entryCharacters;
    for (const oldest of this.#values.keys()) {
      if (this.#characters <= this.#options.maxCharacters) return;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    if (this.#values.delete(key)) this.#characters -= key.length + this.#options.entryCharacters;
  }
}
