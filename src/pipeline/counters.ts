import type { ImageAnalysis } from '../domain.ts';
import { Histogram, LATENCY_BOUNDS_MS } from '../flow/index.ts';
import type { ScoredFrame } from './score-frames.ts';

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
  readonly #frameLatencyMs = new Histogram(LATENCY_BOUNDS_MS);
  readonly #imageLatencyMs = new Histogram(LATENCY_BOUNDS_MS);

  frameStored({ estimate, failure }: ScoredFrame): void {
    this.#counts.framesDone += 1;
    if (failure !== null) this.#counts.framesFailed += 1;
    this.#counts.framesSkipped += estimate.skippedBefore;
    this.#counts.facesFound += estimate.faces.length;
    this.#frameLatencyMs.observe(estimate.latencyMs);
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
    return {
      ...this.#counts,
      frameLatencyMs: this.#frameLatencyMs.snapshot(),
      imageLatencyMs: this.#imageLatencyMs.snapshot(),
    };
  }
}
