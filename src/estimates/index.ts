export { angleDegrees, DEFAULT_NEUTRAL_RADIUS, intensity, quadrant } from './circumplex.ts';
export { createSmoother, type SmoothedPast, type Smoother, type SmootherOptions } from './smoother.ts';
