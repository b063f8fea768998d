export type { WorkerFacts, WorkerSetup } from './messages.ts';
export { createVisionPool, type VisionFacts, type VisionPool, type VisionPoolOptions } from './pool.ts';
export { serveJobs, type WorkerNetworks } from './serve-jobs.ts';
export type { PoolStatistics, WorkStatistics } from './statistics.ts';
