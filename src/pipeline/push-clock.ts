/** The time of a pushed stream. */

export interface PushClockOptions {
  /** When the stream was opened, in ms since 1970. */
  readonly openedAtMs: number;
  /** Time of the stream's last picture so far; `null` before the first. */
  readonly lastPtsSeconds: number | null;
  /** Wall clock in ms since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

export interface TimedPicture {
  /** By the client's clock, in ms since 1970; `null` where the client does not say. */
  readonly capturedAtMs: number | null;
  readonly ptsSeconds: number;
}

/** Two pictures are never closer, so that times strictly rise. */
const SMALLEST_STEP_SECONDS = 0.001;

/**
 * Seconds since the stream was opened. The first picture whose time the client tells is placed by the wall clock; from there
 * on the client's clock counts, however far it steps: a picture a minute may be sent in a burst. Pictures without a time
 * are placed by their arrival. Times always rise.
 */
export class PushClock {
  readonly #openedAtMs: number;
  readonly #now: () => number;
  #lastSeconds: number | null;
  /** The last picture whose time was told. */
  #told: { readonly capturedAtMs: number; readonly ptsSeconds: number } | null = null;

  constructor({ openedAtMs, lastPtsSeconds, now = Date.now }: PushClockOptions) {
    this.#openedAtMs = openedAtMs;
    this.#lastSeconds = lastPtsSeconds;
    this.#now = now;
  }

  /** Time that a picture would have, or `null` where its own is not later than that of the picture before. */
  timeOf(capturedAtMs: number | null): number | null {
    if (capturedAtMs === null || this.#told === null) return this.#arrival();
    const stepSeconds = (capturedAtMs - this.#told.capturedAtMs) / 1000;
    if (stepSeconds <= 0) return null;
    const seconds = this.#told.ptsSeconds + stepSeconds;
    // One without a time may have come in between.
    return seconds > this.#lastSeconds! ? seconds : this.#arrival();
  }

  /** Takes note of a picture that is stored; one that was not may come again with the same time. */
  stored({ capturedAtMs, ptsSeconds }: TimedPicture): void {
    this.#lastSeconds = ptsSeconds;
    if (capturedAtMs !== null) this.#told = { capturedAtMs, ptsSeconds };
  }

  #arrival(): number {
    const elapsed = Math.max(0, this.#now() - this.#openedAtMs) / 1000;
    return this.#lastSeconds === null ? elapsed : Math.max(elapsed, this.#lastSeconds + SMALLEST_STEP_SECONDS);
  }
}
