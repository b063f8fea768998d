export {
  decodeFrameCursor,
  decodeStreamCursor,
  decodeTrackCursor,
  encodeFrameCursor,
  encodeStreamCursor,
  encodeTrackCursor,
} from './cursor.ts';
export { openStore, type StoreOptions } from './open-store.ts';
export {
  type AffectSummary,
  type DeletedCounts,
  type Expiry,
  type FrameQuery,
  MAX_PAGE,
  type Page,
  type Spread,
  type Store,
  type StoredProgress,
  type StoreStatistics,
  type StreamPatch,
  type StreamPosition,
  type StreamQuery,
  type SummaryQuery,
  type TimelineBucket,
  type TimelineQuery,
  type TimeRange,
  type TrackSummary,
} from './types.ts';
