/** What ffmpeg says on its standard error, kept within bounds however long it complains. */
import type { StreamWarning } from '../domain.ts';

/** Enough to see what went wrong in a log; a damaged hour of video can print hundreds of thousands of lines. */
const LINES_KEPT = 20;
const LINE_CHARACTERS_KEPT = 300;
/** A line without an end is cut here, so that hostile text cannot grow in memory. */
const CARRY_CHARACTERS = 4096;

const DAMAGED = 'Parts of the video are damaged; their frames are missing or distorted, the rest was read.';
const CUT_OFF = 'The file ends before its video does; the frames after that are missing.';

/** Said while all is well. */
const CHATTER = /\[(warning|info|verbose)\]/;

type Fault = 'DAMAGED' | 'CUT_OFF';

/** Collects lines of ffmpeg run with `-v level+error` or a chattier level, and counts them by what they mean. */
export class Complaints {
  readonly #onLine: ((line: string) => void) | undefined;
  #carry = '';
  readonly #first: string[] = [];
  readonly #last: string[] = [];
  readonly #counts: Record<Fault, number> = { DAMAGED: 0, CUT_OFF: 0 };
  #lastFault: Fault | null = null;

  /** `onLine` is told of every line, complaint or not. */
  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** Takes the next piece of the output, cut anywhere. */
  add(text: string): void {
    const lines = (this.#carry + text).split(/[\r\n]+/);
    this.#carry = (lines.pop() ?? '').slice(0, CARRY_CHARACTERS);
    for (const line of lines) this.#line(line.trim());
  }

  /** Takes what came without a line's end as the last line. */
  end(): void {
    this.add('\n');
  }

  /**
   * Forgets the counts so far: a decoder that starts in mid-file complains about references it never saw, and one that
   * reads again about what was counted before.
   */
  forgive(): void {
    this.#counts.DAMAGED = 0;
    this.#counts.CUT_OFF = 0;
    this.#lastFault = null;
  }

  /** Counts the end of a decoder that did not reach the end of its file. */
  gaveUp(): void {
    this.#counts.DAMAGED += 1;
  }

  /** Whether the medium ended before its own word. */
  get isCutOff(): boolean {
    return this.#counts.CUT_OFF > 0;
  }

  /** At most one entry for each kind of fault; `count` is the number of complaints, not of frames. */
  warnings(): readonly StreamWarning[] {
    const { DAMAGED: damaged, CUT_OFF: cutOff } = this.#counts;
    const warnings: StreamWarning[] = [];
    if (damaged > 0) warnings.push({ code: 'MEDIA_DAMAGED', message: DAMAGED, count: damaged });
    if (cutOff > 0) warnings.push({ code: 'MEDIA_DAMAGED', message: CUT_OFF, count: cutOff });
    return warnings;
  }

  /** The first and the last lines, for a log; they may name the file. */
  text(): string {
    return [...this.#first, ...this.#last].join('\n');
  }

  #line(line: string): void {
    if (line === '') return;
    this.#onLine?.(line);
    if (CHATTER.test(line)) return;
    const kept = line.slice(0, LINE_CHARACTERS_KEPT);
    if (this.#first.length < LINES_KEPT) this.#first.push(kept);
    else {
      this.#last.push(kept);
      if (this.#last.length > LINES_KEPT) this.#last.shift();
    }
    const repeated = /^Last message repeated (\d+) times/.exec(line);
    if (repeated === null) this.#lastFault = faultOf(line);
    if (this.#lastFault !== null) this.#counts[this.#lastFault] += repeated === null ? 1 : Number(repeated[1]);
  }
}

function faultOf(line: string): Fault | null {
  if (!/\[(error|fatal|panic)\]/.test(line)) return null;
  // The writer of raw video minds times that jump; the frame clock deals with those.
  if (line.startsWith('[rawvideo')) return null;
  return line.includes('partial file') ? 'CUT_OFF' : 'DAMAGED';
}
