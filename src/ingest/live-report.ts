/** What ffmpeg tells of a live source while it opens and reads it, from the lines of its log at level "verbose". */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The scaler's line at each change of what comes in: what the source sends (upright), and what comes out of the filter.
 * From 7.0 on ffmpeg tells the colours between format and shape.
 */
const SCALED =
  /^\[Parsed_scale_\d+ @ \w+\] \[verbose\] w:(\d+) h:(\d+) fmt:\S+ (?:\w+:\S+ )*?sar:(\d+)\/(\d+) -> w:(\d+) h:(\d+) /;
const INPUT = /^\[info\] Input #0, (\S+), from /;
/** Told before the first segment is asked for. */
const PLAYLIST = /^\[[^\]]+ @ \w+\] \[verbose\] HLS request for url /;
const DURATION = /^\[info\] +Duration: ([\d:.]+),/;
/** Pixels of another shape than this are a broken header. */
const MAX_PIXEL_ASPECT = 4;

/** Formats whose frames carry no times: ffmpeg would count them at 25 a second, however fast they come. */
const TIMELESS_FORMATS: ReadonlySet<string> = new Set(['mpjpeg']);

export class LiveReport {
  readonly #mindsTimes: boolean;
  readonly #mindsPlaylists: boolean;
  #sourceSize: Size | null = null;
  #frameSize: Size | null = null;
  #timeless = false;
  #playlist = false;
  #finite = false;
  #settle!: () => void;
  /** Resolves when {@link LiveReport.frameSize}, {@link LiveReport.timeless} or {@link LiveReport.playlist} is known. */
  readonly opened = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  /** Whether a source without times, or a playlist, is of no use as it is being read. `mindsPlaylists` default false. */
  constructor(minds: { readonly mindsTimes: boolean; readonly mindsPlaylists?: boolean }) {
    this.#mindsTimes = minds.mindsTimes;
    this.#mindsPlaylists = minds.mindsPlaylists ?? false;
  }

  /** What the source sends now, as it is to be seen: wide pixels count as several. `null` before the first picture. */
  get sourceSize(): Size | null {
    return this.#sourceSize;
  }

  /** Size of every frame that comes out: that of the first, whatever the source does later. */
  get frameSize(): Size | null {
    return this.#frameSize;
  }

  /** Whether the source carries no times, and that matters. */
  get timeless(): boolean {
    return this.#timeless;
  }

  /** Whether the source is a playlist (HLS), and that matters. */
  get playlist(): boolean {
    return this.#playlist;
  }

  /** Whether the source says how long it is: a recording, not a camera. */
  get finite(): boolean {
    return this.#finite;
  }

  /** Takes a whole line. */
  line(text: string): void {
    const scaled = SCALED.exec(text);
    if (scaled !== null) {
      const [width, height, aspectOver, aspectUnder, outWidth, outHeight] = scaled.slice(1).map(Number) as SixNumbers;
      this.#sourceSize = { width: Math.round(width * pixelAspect(aspectOver / aspectUnder)), height };
      this.#frameSize ??= { width: outWidth, height: outHeight };
      this.#settle();
      return;
    }
    const format = INPUT.exec(text)?.[1];
    if (this.#mindsTimes && format?.split(',').some((name) => TIMELESS_FORMATS.has(name))) {
      this.#timeless = true;
      this.#settle();
    }
    if (this.#mindsPlaylists && PLAYLIST.test(text)) {
      this.#playlist = true;
      this.#settle();
    }
    const duration = DURATION.exec(text)?.[1];
    // RTMP gives its live streams a length of zero.
    if (duration !== undefined && /[1-9]/.test(duration)) this.#finite = true;
  }
}

type SixNumbers = [number, number, number, number, number, number];

function pixelAspect(aspect: number): number {
  return Number.isFinite(aspect) && aspect >= 1 / MAX_PIXEL_ASPECT && aspect <= MAX_PIXEL_ASPECT ? aspect : 1;
}
