export type { AddressGate, AddressKind, CheckedAddress, OpenedAddress } from './address-gate.ts';
export { checkFfmpeg } from './check-ffmpeg.ts';
export { type AddressGateOptions, createAddressGate } from './create-address-gate.ts';
export { type Decoder, type DecoderOptions, openDecoder } from './decoder.ts';
export { LiveClock } from './live-clock.ts';
export { type LiveSource, type LiveSourceOptions, openLiveSource } from './live-source.ts';
export { type MediaProcessCounts, mediaProcessCounts } from './media-process.ts';
export { probeMedia } from './probe.ts';
export { createUploads, type Uploads, type UploadsOptions, type UploadsStatistics } from './uploads.ts';
