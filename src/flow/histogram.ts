/** How many values were of which size, as a reader sees it that comes now and then. */
export interface HistogramSnapshot {
  /** Upper ends of the buckets, rising, in the unit of the values. */
  readonly bounds: readonly number[];
  /** `counts[n]` values were at most `bounds[n]` and above the bound before; one more at the end counts the rest. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Milliseconds from what a single face takes to what nobody should wait for. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
];

/** Counts values by size since it was made, in memory that does not grow. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** `bounds`: upper ends of the buckets, rising. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  snapshot(): HistogramSnapshot {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum };
  }
}
