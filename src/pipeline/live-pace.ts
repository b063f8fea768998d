/** How long a live source may show nothing, which depends on how it sends: some of that shows only once it is read. */
import type { Config } from '../config.ts';
import type { Sampling } from '../domain.ts';
import type { LiveSource, OpenedAddress } from '../ingest/index.ts';

/** A source counts as silent only after it has missed so many frames, however slow it is asked to be. */
const FRAMES_MISSED = 3;
/**
 * A segment of HLS comes in a burst, and the next one is listed up to a target duration later, up to another one where the
 * list was looked at just before (RFC 8216, 6.2.2 and 6.3.4).
 */
const SEGMENTS_MISSED = 2;
/** Players advise 6 s, encoders make up to some 20 s; a list that claims more does not put off the watch for longer. */
const LONGEST_SEGMENT_SECONDS = 60;

/** One for each run of a stream; whoever reads the source tells it of every connection. */
export class LivePace {
  readonly #limits: Pick<Config, 'stallSeconds'>;
  readonly #sampling: Sampling;
  #isRecording = false;
  #opened: Pick<OpenedAddress, 'playlist'> = {};

  constructor(limits: Pick<Config, 'stallSeconds'>, sampling: Sampling) {
    this.#limits = limits;
    this.#sampling = sampling;
  }

  connected({ isRecording }: Pick<LiveSource, 'isRecording'>, opened: Pick<OpenedAddress, 'playlist'>): void {
    this.#isRecording = isRecording;
    this.#opened = opened;
  }

  /** The source is silent once no frame has come for so long. */
  get stallSeconds(): number {
    const frameSeconds = this.#sampling.kind === 'RATE' ? 1 / this.#sampling.framesPerSecond : 0;
    const segmentSeconds = Math.min(this.#opened.playlist?.targetSeconds ?? 0, LONGEST_SEGMENT_SECONDS);
    return Math.max(this.#limits.stallSeconds, FRAMES_MISSED * frameSeconds, SEGMENTS_MISSED * segmentSeconds);
  }

  /** Frames further apart than this were interrupted: never in a recording, where nothing happens in between. */
  get maxGapSeconds(): number {
    return this.#isRecording ? Number.POSITIVE_INFINITY : this.stallSeconds;
  }
}
