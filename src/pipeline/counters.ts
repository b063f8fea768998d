import type { Delivery, ImageAnalysis, LiveState, StreamKind, StreamRecord } from '../domain.ts';
import { Histogram, LATENCY_BOUNDS_MS } from '../flow/index.ts';
import type { ScoredFrame } from './score-frames.ts';
import type { LiveStatistics } from './types.ts';

/** What was scored since the start, counted for an operator. */
export class PipelineCounters {
  readonly #counts = {
    framesDone: 0,
    framesFailed: 0,
    framesSkipped: 0,
    facesFound: 0,
    imagesDone: 0,
    imagesFailed: 0,
  };
  readonly #frameLatencyMs: Readonly<Record<StreamKind, Histogram>> = {
    FILE: new Histogram(LATENCY_BOUNDS_MS),
    LIVE: new Histogram(LATENCY_BOUNDS_MS),
    PUSH: new Histogram(LATENCY_BOUNDS_MS),
  };
  readonly #imageLatencyMs = new Histogram(LATENCY_BOUNDS_MS);
  readonly #live = new LiveCounters();

  frameStored({ estimate, failure }: ScoredFrame, { kind, live }: Pick<StreamRecord, 'kind' | 'live'>): void {
    this.#counts.framesDone += 1;
    if (failure !== null) this.#counts.framesFailed += 1;
    this.#counts.framesSkipped += estimate.skippedBefore;
    this.#counts.facesFound += estimate.faces.length;
    this.#frameLatencyMs[kind].observe(estimate.latencyMs);
    if (kind === 'LIVE' && live !== null) this.#live.frameStored(live.delivery, estimate.skippedBefore);
  }

  /** Notes where a live stream stands; `null` when it is not open any more. */
  liveChanged(id: string, status: LiveState['status'] | null): void {
    this.#live.changed(id, status);
  }

  /** Counts what becomes of a picture, and hands it on. */
  async ofImage(analysis: Promise<ImageAnalysis>): Promise<ImageAnalysis> {
    try {
      const { faces, latencyMs } = await analysis;
      this.#counts.imagesDone += 1;
      this.#counts.facesFound += faces.length;
      this.#imageLatencyMs.observe(latencyMs);
      return await analysis;
    } catch (thrown) {
      this.#counts.imagesFailed += 1;
      throw thrown;
    }
  }

  statistics() {
    const { FILE, LIVE, PUSH } = this.#frameLatencyMs;
    return {
      ...this.#counts,
      frameLatencyMs: { FILE: FILE.snapshot(), LIVE: LIVE.snapshot(), PUSH: PUSH.snapshot() },
      imageLatencyMs: this.#imageLatencyMs.snapshot(),
      live: this.#live.statistics(),
    };
  }
}

class LiveCounters {
  readonly #status = new Map<string, LiveState['status']>();
  readonly #frames: Readonly<Record<Delivery, { scored: number; skipped: number }>> = {
    LATEST: { scored: 0, skipped: 0 },
    EVERY: { scored: 0, skipped: 0 },
  };
  #reconnects = 0;
  #stalls = 0;

  frameStored(delivery: Delivery, skippedBefore: number): void {
    this.#frames[delivery].scored += 1;
    this.#frames[delivery].skipped += skippedBefore;
  }

  changed(id: string, status: LiveState['status'] | null): void {
    if (status === 'STALLED') this.#stalls += 1;
    if (status === 'RUNNING' && this.#status.get(id) === 'RECONNECTING') this.#reconnects += 1;
    if (status === null) this.#status.delete(id);
    else this.#status.set(id, status);
  }

  statistics(): LiveStatistics {
    const streams = { CONNECTING: 0, RUNNING: 0, STALLED: 0, RECONNECTING: 0 };
    for (const status of this.#status.values()) streams[status] += 1;
    const { LATEST, EVERY } = this.#frames;
    return {
      streams,
      reconnects: this.#reconnects,
      stalls: this.#stalls,
      frames: { LATEST: { ...LATEST }, EVERY: { ...EVERY } },
    };
  }
}
