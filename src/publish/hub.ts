import { type FrameEstimate, STREAM_ENDINGS, type StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import { DropOldestBuffer, endable, type Taken } from '../flow/index.ts';

export interface HubOptions {
  /** Frames that are kept for a subscriber who does not take them, 1 or more; beyond, the oldest go. */
  readonly bufferFrames: number;
  /** At most `limit` stored frames after a sequence, in order. Every frame is stored before it is published. */
  readonly replay: (streamId: string, afterSequence: number, limit: number) => Promise<readonly FrameEstimate[]>;
  /** A stream as it is stored now. Its end is stored before {@link Hub.endStream} is called. */
  readonly streamNow: (streamId: string) => Promise<StreamRecord | null>;
}

export interface Delivery {
  readonly frame: FrameEstimate;
  /** Frames that this subscriber lost just before this one because it was too slow. */
  readonly droppedBefore: number;
}

export interface SubscribeOptions {
  /** Start with the frame after this sequence (-1: with the first of all); default: frames published from now on. */
  readonly afterSequence?: number;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
  /**
   * Takes the live frames instead of their being yielded, in the turn in which they are published: for many subscribers,
   * the turns that each frame takes through iterators cost more than sending it. A promise that it returns is waited for
   * before the next frame; a throw ends the iteration with it. Default: all frames are yielded.
   */
  readonly onLive?: (delivery: Delivery) => Promise<void> | undefined;
}

export interface StatusOptions {
  readonly signal?: AbortSignal;
  /** Which of all streams count. Default each. */
  readonly wanted?: (stream: StreamRecord) => boolean;
}

export interface HubStatistics {
  readonly frameSubscribers: number;
  readonly statusSubscribers: number;
  /** Frames that subscribers who were too slow have lost, since the start. */
  readonly framesDropped: number;
}

/** Brings what is stored to whoever listens. Publishing never waits for a subscriber. */
export interface Hub extends AsyncDisposable {
  /** To be called in the order of a stream's frames, after each is stored. */
  publish(frame: FrameEstimate): void;
  /** To be called after every stored change of a stream. */
  publishStatus(stream: StreamRecord): void;
  /** No more frames of the stream will come. */
  endStream(streamId: string): void;
  /**
   * The frames of a stream, in order, each at most once. With `afterSequence` the past comes from the store and the join
   * to live frames has neither gap nor duplicate; a subscriber who cannot keep up with a stream while catching up goes
   * on reading from the store and loses nothing. Once live, a slow subscriber loses the oldest frames and is told how
   * many. Ends after the last frame of an ended stream. Errors: those of the store, NOT_FOUND when the stream is erased
   * before all of its past has come.
   */
  frames(streamId: string, options?: SubscribeOptions): AsyncGenerator<Delivery, void, undefined>;
  /**
   * With an id: the stream as it is, then after each change, ending after its end. Without: the changes of all streams
   * from now on, or of those that `wanted` is true for. A slow subscriber gets the latest state of each stream, not every
   * state between.
   */
  statuses(streamId?: string, options?: StatusOptions): AsyncGenerator<StreamRecord, void, undefined>;
  statistics(): HubStatistics;
}

/** Frames read from the store at once while a subscriber catches up. */
const REPLAY_PAGE = 100;
/** Before the first of all frames. */
const BEGINNING = -1;
/** Streams whose latest state is kept for a subscriber to all streams. */
const BUFFERED_STATUSES = 1000;
const ENDINGS: ReadonlySet<StreamRecord['status']> = new Set(STREAM_ENDINGS);

export function createHub(options: HubOptions): Hub {
  const frameSubscribers = new Map<string, Set<DropOldestBuffer<FrameEstimate>>>();
  const statusSubscribers = new Set<StatusBox>();
  let droppedByGone = 0;
  let closed = false;

  function subscribe(streamId: string): DropOldestBuffer<FrameEstimate> {
    const buffer = new DropOldestBuffer<FrameEstimate>(options.bufferFrames);
    if (closed) buffer.close();
    const others = frameSubscribers.get(streamId) ?? new Set();
    frameSubscribers.set(streamId, others.add(buffer));
    return buffer;
  }

  /** May be called again. */
  function leave(streamId: string, buffer: DropOldestBuffer<FrameEstimate>): void {
    buffer.close();
    buffer.clear();
    const others = frameSubscribers.get(streamId);
    if (others?.delete(buffer) !== true) return;
    droppedByGone += buffer.droppedInAll;
    if (others.size === 0) frameSubscribers.delete(streamId);
  }

  async function hasEnded(streamId: string): Promise<boolean> {
    const stream = await options.streamNow(streamId);
    return stream === null || ENDINGS.has(stream.status);
  }

  async function firstSequence(streamId: string): Promise<number | null> {
    const [first] = await options.replay(streamId, BEGINNING, 1);
    return first?.sequence ?? null;
  }

  async function* frames(
    streamId: string,
    { afterSequence, signal, onLive }: SubscribeOptions = {},
  ): AsyncGenerator<Delivery, void, undefined> {
    // Subscribed first and looked up after: an end between the two is seen by one of them.
    const buffer = subscribe(streamId);
    // One listener for all frames: to listen to a signal costs more than to take a frame. The signal is this
    // subscription's own, so nobody has to stop listening.
    const left = new Promise<void>((resolve) => {
      const leaveNow = (): void => {
        leave(streamId, buffer);
        resolve();
      };
      if (signal?.aborted === true) leaveNow();
      else signal?.addEventListener('abort', leaveNow, { once: true });
    });
    try {
      if (await hasEnded(streamId)) buffer.close();
      let last = afterSequence ?? Number.NEGATIVE_INFINITY;
      let behind = afterSequence !== undefined;
      const first = behind ? await firstSequence(streamId) : null;
      let came: number | null = null;
      while (behind) {
        // What the buffer holds or has lost by now is stored; only what is lost from here on would be a gap.
        buffer.clear();
        for (;;) {
          const page = await options.replay(streamId, last, REPLAY_PAGE);
          for (const frame of page) {
            if (signal?.aborted === true) return;
            if (came !== null && frame.sequence !== came + 1) throw erasedMeanwhile();
            last = frame.sequence;
            came = last;
            yield { frame, droppedBefore: 0 };
          }
          if (page.length < REPLAY_PAGE || signal?.aborted === true) break;
        }
        behind = buffer.dropped > 0 && signal?.aborted !== true;
      }
      // Frames are erased from the first one on, so whatever is missing by now, the first one is.
      if (first !== null && (await firstSequence(streamId)) !== first) throw erasedMeanwhile();
      const delivery = ({ value: frame, droppedBefore }: Taken<FrameEstimate>): Delivery | null => {
        if (frame.sequence <= last) return null;
        // Some of what was dropped may have come from the store before.
        const lost = Math.min(droppedBefore, frame.sequence - last - 1);
        last = frame.sequence;
        return { frame, droppedBefore: lost };
      };
      if (onLive !== undefined) {
        const pouring = buffer.pour((taken) => {
          const next = delivery(taken);
          return next === null ? undefined : onLive(next);
        });
        // Who has left is not waited for, however long it takes over its last frame.
        await Promise.race([pouring, left]);
        return;
      }
      for (let taken = await buffer.take(); taken !== null; taken = await buffer.take()) {
        const next = delivery(taken);
        if (next !== null) yield next;
      }
    } finally {
      leave(streamId, buffer);
    }
  }

  async function* statuses(
    streamId?: string,
    { signal, wanted = () => true }: StatusOptions = {},
  ): AsyncGenerator<StreamRecord, void, undefined> {
    const box = new StatusBox(streamId === undefined ? wanted : ({ id }) => id === streamId);
    let reached = -1;
    statusSubscribers.add(box);
    try {
      if (closed) return;
      if (streamId !== undefined) {
        const now = await options.streamNow(streamId);
        if (now === null || signal?.aborted === true) return;
        yield now;
        if (ENDINGS.has(now.status)) return;
        reached = now.revision;
      }
      for (let stream = await box.take(signal); stream !== null; stream = await box.take(signal)) {
        // A change that was published while the stream was looked up may be older than what was found.
        if (streamId !== undefined && stream.revision <= reached) continue;
        reached = stream.revision;
        yield stream;
        if (streamId !== undefined && ENDINGS.has(stream.status)) return;
      }
    } finally {
      statusSubscribers.delete(box);
    }
  }

  return {
    frames: (streamId, { signal, ...from } = {}) =>
      endable((ended) => frames(streamId, { ...from, signal: ended }), signal),
    statuses: (streamId, { signal, ...which } = {}) =>
      endable((ended) => statuses(streamId, { ...which, signal: ended }), signal),
    publish(frame) {
      for (const buffer of frameSubscribers.get(frame.streamId) ?? []) buffer.push(frame);
    },
    publishStatus(stream) {
      for (const box of statusSubscribers) box.put(stream);
    },
    endStream(streamId) {
      for (const buffer of frameSubscribers.get(streamId) ?? []) buffer.close();
    },
    statistics() {
      const buffers = [...frameSubscribers.values()].flatMap((subscribers) => [...subscribers]);
      return {
        frameSubscribers: buffers.length,
        statusSubscribers: statusSubscribers.size,
        framesDropped: buffers.reduce((sum, { droppedInAll }) => sum + droppedInAll, droppedByGone),
      };
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const streamId of frameSubscribers.keys()) this.endStream(streamId);
      for (const box of statusSubscribers) box.close();
    },
  };
}

function erasedMeanwhile(): AppError {
  return new AppError('NOT_FOUND', 'The stream was erased while its past was read; what has come is not all of it.');
}

/** The latest state of each stream that a subscriber has not taken yet, oldest change first. */
class StatusBox {
  readonly #wanted: (stream: StreamRecord) => boolean;
  readonly #latest = new Map<string, StreamRecord>();
  readonly #turns = new DropOldestBuffer<string>(BUFFERED_STATUSES);

  constructor(wanted: (stream: StreamRecord) => boolean) {
    this.#wanted = wanted;
  }

  put(stream: StreamRecord): void {
    if (!this.#wanted(stream)) return;
    const waiting = this.#latest.get(stream.id);
    // Two changes at once may be told in the wrong order; the state that was stored last is the one that counts.
    if (waiting !== undefined && waiting.revision > stream.revision) return;
    const waits = waiting !== undefined;
    if (!waits && this.#latest.size >= BUFFERED_STATUSES) this.#latest.delete(this.#latest.keys().next().value!);
    this.#latest.set(stream.id, stream);
    if (!waits) this.#turns.push(stream.id);
  }

  async take(signal: AbortSignal | undefined): Promise<StreamRecord | null> {
    for (;;) {
      const turn = await this.#turns.take(signal);
      if (turn === null) return null;
      const stream = this.#latest.get(turn.value);
      this.#latest.delete(turn.value);
      if (stream !== undefined) return stream;
    }
  }

  close(): void {
    this.#turns.close();
  }
}
