/** Which frames are taken, as a rule that ffmpeg applies and that this side can check. */
import type { MediaFacts, Sampling } from '../domain.ts';

/**
 * Times inside ffmpeg's filters are set to nanoseconds: finer than any container in use (MP4 down to 1/90000 s, Matroska
 * 1 ms), and whole up to 104 days in the doubles that both sides calculate with.
 */
export const TICKS_PER_SECOND = 1e9;

export function toTicks(ptsSeconds: number): number {
  return Math.round(ptsSeconds * TICKS_PER_SECOND);
}

/**
 * A grid over media time of which each cell gives its first frame: real frames at their real times, and the same ones
 * whether the file is read in one go or from the middle.
 */
export interface Grid {
  readonly originTicks: number;
  readonly cellsPerTick: number;
}

/**
 * Cells begin this much before their nominal time, since containers round: Matroska and FLV write 33 ms for a frame at
 * 1/30 s, which would fall into the cell before and be lost.
 */
const MAX_ROUNDING_SECONDS = 0.001;

/** `null` takes every frame. */
export function gridOf(sampling: Sampling, media: Pick<MediaFacts, 'startSeconds'>): Grid | null {
  if (sampling.kind === 'EVERY_FRAME') return null;
  const { framesPerSecond } = sampling;
  const leadSeconds = Math.min(MAX_ROUNDING_SECONDS, 0.25 / framesPerSecond);
  return {
    originTicks: toTicks(media.startSeconds - leadSeconds),
    cellsPerTick: framesPerSecond / TICKS_PER_SECOND,
  };
}

/** The same operations in the same order as {@link selectFilter} writes them, so that both agree to the last bit. */
export function cellOf({ originTicks, cellsPerTick }: Grid, ticks: number): number {
  return Math.floor((ticks - originTicks) * cellsPerTick);
}

/** Times that go back by more than this are a new beginning (joined recordings); less is disorder. */
export const NEW_BEGINNING_TICKS = TICKS_PER_SECOND;

/**
 * ffmpeg's filter for a grid. `fromTicks` holds everything back until the first frame at or after it. `null` where there
 * is nothing to leave out.
 */
export function selectFilter(grid: Grid | null, fromTicks: number | null): string | null {
  if (grid === null && fromTicks === null) return null;
  const first = fromTicks === null ? '1' : `gte(pts,${fromTicks})`;
  const later =
    grid === null
      ? '1'
      : `gt(${cell(grid, 'pts')},${cell(grid, 'prev_selected_pts')})+lt(pts,prev_selected_pts-${NEW_BEGINNING_TICKS})`;
  return `select='if(isnan(prev_selected_pts),${first},${later})'`;
}

function cell({ originTicks, cellsPerTick }: Grid, variable: string): string {
  return `floor((${variable}-(${originTicks}))*${cellsPerTick})`;
}
