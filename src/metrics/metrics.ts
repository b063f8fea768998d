import { type Metric, Registry } from 'prom-client';
import type { Pipeline } from '../pipeline/index.ts';
import type { Store } from '../store/index.ts';
import { DEFINITIONS, type Definition, type HistogramSample } from './definitions.ts';
import type { Figures, TrafficStatistics } from './figures.ts';
import { watchProcess } from './process-watch.ts';

export interface MetricsSources {
  readonly pipeline: Pick<Pipeline, 'engine' | 'statistics'>;
  readonly store: Pick<Store, 'statistics' | 'countStreams'>;
  readonly traffic: { statistics(): TrafficStatistics };
}

export interface Metrics extends Disposable {
  readonly contentType: string;
  /** All metrics in the text format of Prometheus, as they are now. Never rejects: what cannot be read is left out. */
  render(): Promise<string>;
}

/**
 * The program counts in plain numbers; this reads them when it is asked to. Its registry is its own, so that several
 * servers in one process do not meet in prom-client's global one.
 */
export function createMetrics({ pipeline, store, traffic }: MetricsSources): Metrics {
  const watch = watchProcess();
  const registry = new Registry();
  let figures: Figures | null = null;
  for (const definition of DEFINITIONS) {
    registry.registerMetric(metricOf(definition, () => figures));
  }
  return {
    contentType: registry.contentType,
    async render() {
      figures = {
        engine: pipeline.engine,
        pipeline: pipeline.statistics(),
        store: store.statistics(),
        streams: await store.countStreams().catch(() => null),
        traffic: traffic.statistics(),
        process: await watch.figures(),
      };
      return registry.metrics();
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}

/**
 * What a registry asks of its metrics, and no more. prom-client's own histogram can only be filled value by value,
 * while ours are read whole.
 */
function metricOf(definition: Definition, figures: () => Figures | null): Metric {
  const { name, help, type } = definition;
  const metric = {
    name,
    help,
    type,
    aggregator: 'sum',
    async get() {
      const now = figures();
      return { name, help, type, aggregator: 'sum', values: now === null ? [] : valuesOf(definition, now) };
    },
  };
  return metric as unknown as Metric;
}

interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

function valuesOf(definition: Definition, figures: Figures): readonly Value[] {
  if (definition.type !== 'histogram') return definition.samples(figures);
  return definition.histograms(figures).flatMap((sample) => bucketsOf(definition.name, sample));
}

/** Prometheus's buckets are cumulative: each counts everything up to its bound. */
function bucketsOf(name: string, { labels, snapshot }: HistogramSample): readonly Value[] {
  const { bounds, counts, sum } = snapshot;
  let below = 0;
  const buckets = counts.map((count, index) => {
    below += count;
    const le = bounds[index] ?? '+Inf';
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ];
}
