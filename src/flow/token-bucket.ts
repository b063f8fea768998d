export interface TokenBucketOptions {
  /** Tokens of a full bucket, with which it begins; infinite for one that never runs dry. */
  readonly capacity: number;
  /** An empty bucket is full again after so long. */
  readonly refillSeconds: number;
  /** A clock that only runs on, in milliseconds. Default `performance.now`. */
  readonly nowMs?: () => number;
}

/** Lets through `capacity` tokens at once, and as many again in each `refillSeconds`, evenly. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #tokensPerMs: number;
  readonly #nowMs: () => number;
  #tokens: number;
  #filledAtMs: number;

  constructor({ capacity, refillSeconds, nowMs = () => performance.now() }: TokenBucketOptions) {
    this.#capacity = capacity;
    this.#tokensPerMs = capacity / (refillSeconds * 1000);
    this.#nowMs = nowMs;
    this.#tokens = capacity;
    this.#filledAtMs = nowMs();
  }

  /** Seconds until so many tokens are there: 0 when they are, infinite for more than the bucket holds. Takes none. */
  waitSeconds(tokens: number): number {
    if (this.#capacity === Number.POSITIVE_INFINITY) return 0;
    this.#refill();
    if (tokens <= this.#tokens) return 0;
    if (tokens > this.#capacity) return Number.POSITIVE_INFINITY;
    return (tokens - this.#tokens) / this.#tokensPerMs / 1000;
  }

  /** Takes the tokens and returns 0, or takes none and returns what `waitSeconds` does. */
  take(tokens: number): number {
    const wait = this.waitSeconds(tokens);
    if (wait === 0) this.#tokens -= tokens;
    return wait;
  }

  #refill(): void {
    const nowMs = this.#nowMs();
    this.#tokens = Math.min(this.#capacity, this.#tokens + (nowMs - this.#filledAtMs) * this.#tokensPerMs);
    this.#filledAtMs = nowMs;
  }
}
