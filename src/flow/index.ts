export { ClosingStack } from './closing-stack.ts';
export { DropOldestBuffer, type Taken } from './drop-oldest-buffer.ts';
export { endable } from './endable.ts';
export { FairQueue, type FairQueueOptions, type FairQueueStatistics } from './fair-queue.ts';
export { Histogram, type HistogramSnapshot, LATENCY_BOUNDS_MS } from './histogram.ts';
export { createLimiter, type Limiter } from './limiter.ts';
export { orderedMap } from './ordered-map.ts';
export { type ScriptLaunch, scriptLaunch } from './script-launch.ts';
