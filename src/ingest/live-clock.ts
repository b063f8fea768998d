/** The time of a live stream: one line through all connections and restarts. */
import { TICKS_PER_SECOND } from './sampling.ts';

export interface LiveClockOptions {
  /** When the stream was first opened, in ms since 1970. */
  readonly openedAtMs: number;
  /** Time of the stream's last frame so far; `null` before the first. */
  readonly lastPtsSeconds: number | null;
  /** Wall clock in ms since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

/** Two frames are never closer, so that times strictly rise; well below the distance of frames of any camera. */
const SMALLEST_STEP_SECONDS = 0.001;
/** A source whose time runs back by more has begun anew; less is disorder, and the frame is left out. */
const NEW_BEGINNING_SECONDS = 1;
/** A camera whose time runs ahead of the wall clock by more between two frames has changed its clock. */
const GREATEST_LEAD_SECONDS = 30;

/** What is known of a source when it is connected. */
export interface ConnectedSource {
  /** How far apart its frames are taken; 0 for every frame. Default 0. Seconds. */
  readonly intervalSeconds?: number;
  /** Whether it has an end. It may then send faster than its time goes by, and no clock runs in it. Default false. */
  readonly isRecording?: boolean;
}

/**
 * Seconds since the stream was first opened. Each connection is placed by the wall clock at its first frame; from there on
 * the source's own clock counts, which knows nothing of the network's jitter. A camera that changes its clock is placed
 * anew, as its leap would stay in the stream's time for good. Times always rise, also over a wall clock that is put back.
 */
export class LiveClock {
  readonly #openedAtMs: number;
  readonly #now: () => number;
  #lastSeconds: number | null;
  #lastSeenAtMs = 0;
  /** From the source's clock to ours; `null` until the first frame of a connection. */
  #shiftSeconds: number | null = null;
  #greatestLeadSeconds = GREATEST_LEAD_SECONDS;
  #isRecording = false;
  /** The furthest time that a recording has been read to, by its own clock. */
  #furthestSeconds = Number.NEGATIVE_INFINITY;
  /** The same when it was connected: what it has up to there it sends again. */
  #knownToSeconds = Number.NEGATIVE_INFINITY;

  constructor({ openedAtMs, lastPtsSeconds, now = Date.now }: LiveClockOptions) {
    this.#openedAtMs = openedAtMs;
    this.#lastSeconds = lastPtsSeconds;
    this.#now = now;
  }

  /**
   * To be told of each new connection: its source may count from anywhere, but for a recording, which begins again: what
   * was read of it is left out, and it goes on in the time that it had.
   */
  connected({ intervalSeconds = 0, isRecording = false }: ConnectedSource = {}): void {
    this.#isRecording = isRecording;
    this.#knownToSeconds = isRecording ? this.#furthestSeconds : Number.NEGATIVE_INFINITY;
    if (this.#knownToSeconds === Number.NEGATIVE_INFINITY) this.#shiftSeconds = null;
    this.#greatestLeadSeconds = isRecording ? Number.POSITIVE_INFINITY : GREATEST_LEAD_SECONDS + intervalSeconds;
  }

  /** Time of the frame with these ticks (`null`: it carries none), or `null` for a frame out of order, or read before. */
  timeOf(ticks: number | null): number | null {
    const nowMs = this.#now();
    const sourceSeconds = ticks === null ? null : ticks / TICKS_PER_SECOND;
    if (this.#isKnown(sourceSeconds)) return null;
    const seconds = this.#place(sourceSeconds, nowMs);
    if (seconds === null) return null;
    if (this.#isRecording && sourceSeconds !== null) {
      this.#furthestSeconds = Math.max(this.#furthestSeconds, sourceSeconds);
    }
    this.#lastSeconds = seconds;
    this.#lastSeenAtMs = nowMs;
    return seconds;
  }

  /** A frame without a time cannot be told from one that was read. */
  #isKnown(sourceSeconds: number | null): boolean {
    if (this.#knownToSeconds === Number.NEGATIVE_INFINITY) return false;
    return sourceSeconds === null || sourceSeconds <= this.#knownToSeconds;
  }

  #place(sourceSeconds: number | null, nowMs: number): number | null {
    if (sourceSeconds === null) return this.#arrival(nowMs);
    if (this.#shiftSeconds !== null) {
      const seconds = sourceSeconds + this.#shiftSeconds;
      const step = seconds - (this.#lastSeconds ?? Number.NEGATIVE_INFINITY);
      const elapsedSeconds = Math.max(0, nowMs - this.#lastSeenAtMs) / 1000;
      if (step > 0 && step <= elapsedSeconds + this.#greatestLeadSeconds) return seconds;
      if (step <= 0 && step >= -NEW_BEGINNING_SECONDS) return null;
    }
    const placed = this.#arrival(nowMs);
    this.#shiftSeconds = placed - sourceSeconds;
    return placed;
  }

  #arrival(nowMs: number): number {
    const elapsed = Math.max(0, nowMs - this.#openedAtMs) / 1000;
    return this.#lastSeconds === null ? elapsed : Math.max(elapsed, this.#lastSeconds + SMALLEST_STEP_SECONDS);
  }
}
