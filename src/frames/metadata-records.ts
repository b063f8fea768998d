/** Reads ffmpeg's `metadata=print` output: which frame came, and when it is shown. */
import { AppError } from '../errors.ts';

/** Two lines make a record: `frame:12   pts:480000000 pts_time:0.48`, then the key that was printed. */
const FRAME_LINE = /^frame:\d+ +pts:(-?\d+|NOPTS) +pts_time:\S+ *$/;
const KEY_LINE = /^[\w.]+=/;

/** Records are some 50 characters; what is longer without an end is no record. */
const MAX_LINE_CHARACTERS = 512;

/**
 * Turns text, cut anywhere, into the frames' times in ticks; `null` for a frame without one. A record counts once its
 * first line is complete. The frame's own number is not looked at: ffmpeg starts it anew when it rebuilds its filters.
 */
export class MetadataRecords {
  #carry = '';

  /** Errors: INTERNAL for a line that is no part of a record. */
  add(text: string): (number | null)[] {
    const lines = (this.#carry + text).split('\n');
    this.#carry = lines.pop() ?? '';
    const ticks: (number | null)[] = [];
    for (const line of lines) {
      const found = ticksOf(line);
      if (found !== undefined) ticks.push(found);
    }
    if (this.#carry.length > MAX_LINE_CHARACTERS) throw notARecord(this.#carry);
    return ticks;
  }
}

/** `undefined` for a line that begins no record. */
function ticksOf(line: string): number | null | undefined {
  const pts = FRAME_LINE.exec(line)?.[1];
  if (pts === 'NOPTS') return null;
  if (pts !== undefined) return Number(pts);
  if (KEY_LINE.test(line)) return undefined;
  throw notARecord(line);
}

function notARecord(line: string): AppError {
  return new AppError('INTERNAL', "ffmpeg's record of a frame's time cannot be read; try again, or another ffmpeg.", {
    cause: new Error(`Not a record: ${JSON.stringify(line.slice(0, 80))}`),
  });
}
