/** Gives each decoded frame its media time, and says which frames are not wanted. */
import type { StreamWarning } from '../domain.ts';
import { cellOf, type Grid, NEW_BEGINNING_TICKS, TICKS_PER_SECOND, toTicks } from './sampling.ts';

export interface FrameClockOptions {
  readonly grid: Grid | null;
  /** Frames up to and including this time were had before. */
  readonly afterPtsSeconds?: number;
  /** From one frame to the next across a new beginning; the average rate's, or a guess. */
  readonly frameTicks: number;
}

const DISORDERED = 'Frames without a time, or with one that does not run forward, were left out.';
const BEGINS_ANEW = 'The times in the file begin anew; they were counted on from there.';

/**
 * Times that it gives only run forward. A small step back is a frame out of order, which is left out and counted; a large
 * one is where recordings were joined, and time goes on from the last frame. Must see every frame once, in order.
 */
export class FrameClock {
  readonly #grid: Grid | null;
  readonly #afterTicks: number;
  readonly #frameTicks: number;
  #rereads: boolean;
  #shiftTicks = 0;
  #lastTicks = Number.NEGATIVE_INFINITY;
  #lastCell: number | null = null;
  #disordered = 0;
  #beginnings = 0;

  constructor({ grid, afterPtsSeconds, frameTicks }: FrameClockOptions) {
    this.#grid = grid;
    this.#afterTicks = afterPtsSeconds === undefined ? Number.NEGATIVE_INFINITY : toTicks(afterPtsSeconds);
    this.#rereads = afterPtsSeconds !== undefined;
    this.#frameTicks = frameTicks;
  }

  /** Media time in seconds of the frame with these ticks (`null`: it carries none), or `null` when it is not wanted. */
  timeOf(ticks: number | null): number | null {
    if (ticks === null) return this.#leaveOut();
    let placed = ticks + this.#shiftTicks;
    if (placed < this.#lastTicks - NEW_BEGINNING_TICKS) {
      this.#shiftTicks = this.#lastTicks + this.#frameTicks - ticks;
      this.#lastCell = null;
      this.#beginnings += 1;
      placed = ticks + this.#shiftTicks;
    }
    if (placed <= this.#lastTicks) return this.#leaveOut();
    // ffmpeg forgets the last cell when the picture's size changes in mid-file and its filters start again.
    const cell = this.#grid === null ? null : cellOf(this.#grid, ticks);
    if (cell !== null && cell === this.#lastCell) return null;
    this.#lastCell = cell;
    this.#lastTicks = placed;
    if (placed <= this.#afterTicks) return null;
    if (this.#rereads) {
      // What lies before was counted by the run that had those frames.
      this.#rereads = false;
      this.#disordered = 0;
      this.#beginnings = 0;
    }
    return placed / TICKS_PER_SECOND;
  }

  warnings(): readonly StreamWarning[] {
    const warnings: StreamWarning[] = [];
    if (this.#disordered > 0) warnings.push({ code: 'MEDIA_DAMAGED', message: DISORDERED, count: this.#disordered });
    if (this.#beginnings > 0) warnings.push({ code: 'MEDIA_DAMAGED', message: BEGINS_ANEW, count: this.#beginnings });
    return warnings;
  }

  #leaveOut(): null {
    this.#disordered += 1;
    return null;
  }
}
