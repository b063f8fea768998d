export type { CropTemplate } from './align.ts';
export { createFaceFinder, type FaceFinder, type FaceFinderOptions } from './finder.ts';
export { createTracker, type Tracker, type TrackerOptions } from './tracker.ts';
