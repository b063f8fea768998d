export { checkFfmpeg } from './check-ffmpeg.ts';
export { type Decoder, type DecoderOptions, openDecoder } from './decoder.ts';
export { type MediaProcessCounts, mediaProcessCounts } from './media-process.ts';
export { probeMedia } from './probe.ts';
export { createUploads, type Uploads, type UploadsOptions, type UploadsStatistics } from './uploads.ts';
