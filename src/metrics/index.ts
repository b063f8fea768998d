export { REQUEST_KINDS, type RequestKind, type TrafficStatistics } from './figures.ts';
export { createMetrics, type Metrics, type MetricsSources } from './metrics.ts';
