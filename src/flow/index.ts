export { createLimiter, type Limiter } from './limiter.ts';
export { orderedMap } from './ordered-map.ts';
