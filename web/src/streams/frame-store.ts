/** Frames of a stream's history around the places that were looked at: a bounded number, by one question at a time. */
import { type FrameFragment, FramesFromDocument, type FramesFromQueryVariables } from '../generated/graphql.ts';
import { toFailure } from '../server/failure.ts';
import type { Server } from '../server/server.ts';
import { TRAIL_SECONDS } from './live-frames.ts';

/** Of one answer: with a face each some 0.3 MB. */
const RUN_FRAMES = 400;
const MOST_RUNS = 8;
/** What may have grown, or could not be had, is asked for again after so long. */
const AGAIN_MS = 2000;
/** Browsers cut the times of pictures to microseconds, and the server's are exact. */
const ROUNDING_SECONDS = 0.0005;

interface FrameStoreOptions {
  readonly server: Pick<Server, 'ask'>;
  readonly streamId: string;
  /** Whether more frames may come. */
  readonly isRunning: () => boolean;
  /** Told when frames have come, or could not be had: it is time to look again. */
  readonly changed: () => void;
}

/** Frames that follow each other in the stream, however far apart in time. */
interface Run {
  readonly fromSeconds: number;
  /** Every frame from `fromSeconds` until here is among them. */
  readonly untilSeconds: number;
  readonly frames: readonly FrameFragment[];
  /** When more may be there, by performance.now(). */
  readonly staleAtMs: number;
}

/** What is seen at a moment. */
export interface Seen {
  readonly frame: FrameFragment | null;
  /** The frames of the seconds before it, oldest first. */
  readonly past: readonly FrameFragment[];
}

const NOTHING: Seen = { frame: null, past: [] };

export class FrameStore {
  readonly #options: FrameStoreOptions;
  readonly #ending = new AbortController();
  /** The one that was looked at last is the last. */
  #runs: readonly Run[] = [];
  #isAsking = false;
  /** After a failure. */
  #notBeforeMs = 0;
  /** Why the last question had no answer. */
  failure: ReturnType<typeof toFailure> | null = null;

  constructor(options: FrameStoreOptions) {
    this.#options = options;
  }

  /** What is known of this media time now; asks for what is not, and tells `changed` when it has come. */
  at(seconds: number): Seen {
    const moment = seconds + ROUNDING_SECONDS;
    const covering = this.#runs.filter((run) => run.fromSeconds <= moment && moment <= run.untilSeconds);
    const run = covering.findLast(({ fromSeconds }) => fromSeconds <= moment - TRAIL_SECONDS) ?? covering.at(-1);
    if (run === undefined) {
      // Frames that a running stream does not have yet are not asked for over and over.
      const tail = this.#runs.findLast(
        ({ fromSeconds, staleAtMs }) => fromSeconds <= moment && staleAtMs !== Number.POSITIVE_INFINITY,
      );
      if (tail === undefined || performance.now() >= tail.staleAtMs) void this.#ask(seconds - TRAIL_SECONDS);
      return tail === undefined ? NOTHING : seenIn(tail, moment);
    }
    this.#runs = [...this.#runs.filter((one) => one !== run), run];
    this.#lookAhead(run, moment);
    return seenIn(run, moment);
  }

  close(): void {
    this.#ending.abort();
  }

  /** A video that plays will soon be there. */
  #lookAhead(run: Run, moment: number): void {
    const { fromSeconds, untilSeconds, staleAtMs } = run;
    if (untilSeconds === Number.POSITIVE_INFINITY || moment < (fromSeconds + untilSeconds) / 2) return;
    const isNextThere = this.#runs.some((one) => one.fromSeconds <= untilSeconds && one.untilSeconds > untilSeconds);
    const mayBeMore = staleAtMs === Number.POSITIVE_INFINITY || performance.now() >= staleAtMs;
    if (!isNextThere && mayBeMore) void this.#ask(Math.max(fromSeconds, untilSeconds - TRAIL_SECONDS));
  }

  async #ask(fromSeconds: number): Promise<void> {
    if (this.#isAsking || performance.now() < this.#notBeforeMs) return;
    this.#isAsking = true;
    const { server, streamId, isRunning, changed } = this.#options;
    const { signal } = this.#ending;
    const mayGrow = isRunning();
    const variables: FramesFromQueryVariables = { id: streamId, fromSeconds, first: RUN_FRAMES };
    try {
      const { stream } = await server.ask(FramesFromDocument, variables, { signal });
      const frames = stream?.frames.nodes ?? [];
      const isEnd = stream?.frames.pageInfo.hasNextPage !== true;
      const run: Run = {
        fromSeconds,
        frames,
        untilSeconds: isEnd && !mayGrow ? Number.POSITIVE_INFINITY : (frames.at(-1)?.ptsSeconds ?? fromSeconds),
        staleAtMs: isEnd && mayGrow ? performance.now() + AGAIN_MS : Number.POSITIVE_INFINITY,
      };
      // What begins there and was shorter is in it.
      const others = this.#runs.filter((one) => one.fromSeconds !== fromSeconds);
      this.#runs = [...others, run].slice(-MOST_RUNS);
      this.failure = null;
    } catch (thrown) {
      if (signal.aborted) return;
      this.#notBeforeMs = performance.now() + AGAIN_MS;
      setTimeout(() => signal.aborted || changed(), AGAIN_MS);
      this.failure = toFailure(thrown);
    } finally {
      this.#isAsking = false;
    }
    changed();
  }
}

/** The last frame before the moment; where the one before is long gone, the next one. */
function seenIn({ frames }: Run, moment: number): Seen {
  const index = indexAt(frames, moment);
  const before = frames[index];
  const isGone = before === undefined || before.ptsSeconds < moment - TRAIL_SECONDS;
  const frame = (isGone ? frames[index + 1] : undefined) ?? before;
  if (frame === undefined) return NOTHING;
  const past = frames.filter(
    ({ ptsSeconds }) => ptsSeconds < frame.ptsSeconds && ptsSeconds >= frame.ptsSeconds - TRAIL_SECONDS,
  );
  return { frame, past };
}

/** Of the last frame at or before a media time; -1 where all are later. */
export function indexAt(frames: readonly { readonly ptsSeconds: number }[], seconds: number): number {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle]!.ptsSeconds <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
