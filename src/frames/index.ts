export { type DecodeStillOptions, decodeStill, type StillPicture } from './decode-still.ts';
export { type RawVideo, readFrames, type TimedImage } from './read-frames.ts';
