import type {
  ApiKeyRecord,
  Expression,
  FrameEstimate,
  ImageAnalysis,
  Quadrant,
  StreamRecord,
  StreamStatus,
} from '../domain.ts';
import type { HistogramSnapshot } from '../flow/index.ts';

/** A stretch of a list, and whether more follows it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly hasNextPage: boolean;
}

/** A stretch of media time: from `fromSeconds` on and before `toSeconds`; either end may be open. */
export interface TimeRange {
  readonly fromSeconds?: number;
  readonly toSeconds?: number;
}

export interface FrameQuery extends TimeRange {
  /** Only frames with this track, and of their faces only that one. */
  readonly trackNumber?: number;
  /** 1 to {@link MAX_PAGE}. */
  readonly first: number;
  /** Only frames after this sequence. */
  readonly afterSequence?: number;
}

export interface StreamQuery {
  /** 1 to {@link MAX_PAGE}. */
  readonly first: number;
  /** Only streams after this one in the list, newest first. */
  readonly after?: StreamPosition;
  readonly statuses?: readonly StreamStatus[];
  /** Only those made with this key. */
  readonly ownerKeyId?: string;
}

/** A stream's place in the list. */
export type StreamPosition = Pick<StreamRecord, 'id' | 'createdAt'>;

export interface ImageQuery {
  /** 1 to {@link MAX_PAGE}. */
  readonly first: number;
  /** Only pictures after this one in the list, newest first. */
  readonly after?: ImagePosition;
  /** Only those made with this key. */
  readonly ownerKeyId?: string;
}

/** A picture's place in the list. */
export type ImagePosition = Pick<ImageAnalysis, 'id' | 'createdAt'>;

export interface TrackSummary {
  readonly trackNumber: number;
  readonly firstPtsSeconds: number;
  readonly lastPtsSeconds: number;
  readonly frames: number;
  readonly meanValence: number;
  readonly meanArousal: number;
  readonly meanScore: number;
}

/** Over the raw estimates of all faces meant; the deviation is that of the population. */
export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly deviation: number;
}

export interface TimelineBucket {
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly frames: number;
  readonly faces: number;
  /** `null` where no face was. */
  readonly valence: Spread | null;
  readonly arousal: Spread | null;
}

export interface TimelineQuery extends TimeRange {
  /** Above 0; bucket k holds the frames from k times this on, and before k + 1 times. */
  readonly bucketSeconds: number;
  readonly trackNumber?: number;
}

export interface SummaryQuery extends TimeRange {
  readonly trackNumber?: number;
  /** Intensity below which an estimate counts as NEUTRAL. */
  readonly neutralRadius: number;
}

export interface AffectSummary {
  readonly frames: number;
  readonly framesWithFaces: number;
  readonly faces: number;
  readonly tracks: number;
  /** From the first to the last frame meant; `null` without frames. */
  readonly firstPtsSeconds: number | null;
  readonly lastPtsSeconds: number | null;
  readonly valence: Spread | null;
  readonly arousal: Spread | null;
  /** Shares of the faces, adding up to 1; empty without faces. */
  readonly quadrants: readonly { readonly quadrant: Quadrant; readonly share: number }[];
  /** Mean probabilities, adding up to 1; empty without faces. */
  readonly expressions: readonly { readonly expression: Expression; readonly probability: number }[];
}

/** What is stored of a stream, counted. */
export interface StoredProgress {
  readonly frames: number;
  readonly faces: number;
  /** Frames that a live stream left out. */
  readonly skipped: number;
  readonly lastSequence: number | null;
  readonly lastPtsSeconds: number | null;
  /** One more than the highest track number stored. */
  readonly nextTrackNumber: number;
}

export interface DeletedCounts {
  readonly frames: number;
  readonly faces: number;
  readonly tracks: number;
}

export type StreamPatch = Partial<Omit<StreamRecord, 'id' | 'revision' | 'ownerKeyId' | 'kind' | 'createdAt'>>;

export interface StoreStatistics {
  /** Frames that wait for their write. */
  readonly framesWaiting: number;
  readonly framesWritten: number;
  /** Transactions of frames. */
  readonly writes: number;
  readonly writesFailed: number;
  /** From the call of {@link Store.appendFrames} until its frames are on disk. */
  readonly appendMs: HistogramSnapshot;
}

/** What has outlived its time. */
export interface Expiry {
  readonly now: Date;
  /** Age limit of everything, in days since its end; `null` leaves what has no limit of its own. */
  readonly retentionDays: number | null;
}

/** Longest page. */
export const MAX_PAGE = 1000;

/**
 * Everything that is kept. Errors of every method: STORE_FAILED (the database refused; the message is safe, the cause is
 * for the log). Further errors are named where they arise.
 */
export interface Store extends AsyncDisposable {
  /** `secretAddress` is what a live stream is opened by, credentials included; it is kept until the stream ends. */
  createStream(stream: StreamRecord, secretAddress?: string): Promise<StreamRecord>;
  /** The address that was given with a stream; `null` when there is none, or it has ended. For the pipeline alone. */
  secretAddress(id: string): Promise<string | null>;
  /** Raises the revision. Errors: NOT_FOUND. */
  updateStream(id: string, patch: StreamPatch): Promise<StreamRecord>;
  stream(id: string): Promise<StreamRecord | null>;
  /** Newest first. Errors: BAD_INPUT. */
  streams(query: StreamQuery): Promise<Page<StreamRecord>>;
  /** Streams that have not ended, oldest first: at the start of the process, those that it has to take up again. */
  unfinishedStreams(): Promise<readonly StreamRecord[]>;
  /** How many streams have each status. */
  countStreams(): Promise<Readonly<Record<StreamStatus, number>>>;
  /**
   * Erases a stream and every estimate of it, also from the write-ahead log. A signal ends it between two steps; what is
   * left can be erased again. Errors: NOT_FOUND, ABORTED.
   */
  deleteStream(id: string, signal?: AbortSignal): Promise<DeletedCounts>;
  /** Ids of at most `limit` ended streams past their own limit or the one of `expiry`, the longest ended first. */
  expiredStreams(expiry: Expiry, limit: number): Promise<readonly string[]>;

  /**
   * Resolves when the frames are on disk, all or none of them. A frame whose stream and sequence are stored already is
   * left as it is. Calls wait for room when too much waits to be written. Errors: STORE_FAILED, for exactly these frames,
   * and for calls behind this one that wait with frames of the same streams: written, they would leave a gap.
   */
  appendFrames(frames: readonly FrameEstimate[]): Promise<void>;
  /** In the order of their sequence. Errors: BAD_INPUT, RANGE_INVALID. */
  frames(streamId: string, query: FrameQuery): Promise<Page<FrameEstimate>>;
  /** At most `limit` frames after a sequence, in order: a replay. */
  framesAfter(streamId: string, sequence: number, limit: number): Promise<readonly FrameEstimate[]>;
  /** The frames of the last `seconds` of media time, in order. */
  lastFrames(streamId: string, seconds: number): Promise<readonly FrameEstimate[]>;
  progress(streamId: string): Promise<StoredProgress>;

  /** By number. Errors: BAD_INPUT. */
  tracks(
    streamId: string,
    query: { readonly first: number; readonly afterTrackNumber?: number },
  ): Promise<Page<TrackSummary>>;
  track(streamId: string, trackNumber: number): Promise<TrackSummary | null>;
  /**
   * In order of time, without buckets in which no frame lies. At most 10,000 buckets. Errors: BAD_INPUT, RANGE_INVALID.
   */
  timeline(streamId: string, query: TimelineQuery): Promise<readonly TimelineBucket[]>;
  /** Errors: BAD_INPUT, RANGE_INVALID. */
  summary(streamId: string, query: SummaryQuery): Promise<AffectSummary>;

  saveImage(image: ImageAnalysis): Promise<void>;
  image(id: string): Promise<ImageAnalysis | null>;
  /** Newest first. Errors: BAD_INPUT. */
  images(query: ImageQuery): Promise<Page<ImageAnalysis>>;
  /** Erases a picture's estimates, also from the write-ahead log. Whether there were any. */
  deleteImage(id: string): Promise<boolean>;
  /** Erases the images made before a moment, in steps as `deleteStream` does; resolves with their number. Errors: ABORTED. */
  deleteImagesBefore(moment: Date, signal?: AbortSignal): Promise<number>;

  createKey(key: ApiKeyRecord): Promise<void>;
  /** All of them, the revoked ones too, oldest first. */
  keys(): Promise<readonly ApiKeyRecord[]>;
  /** A key that is revoked already is left as it is. Errors: NOT_FOUND. */
  revokeKey(id: string, revokedAt: Date): Promise<ApiKeyRecord>;
  /** Keeps when some keys were last used. */
  keysUsed(ids: readonly string[], usedAt: Date): Promise<void>;
  /** Is another number whenever another process has changed the database since. */
  foreignChanges(): Promise<number>;
  /** How many streams of a key have not ended. */
  openStreamsOf(ownerKeyId: string): Promise<number>;
  /** How many frames are stored of the streams of a key. */
  storedFramesOf(ownerKeyId: string): Promise<number>;

  /**
   * Empties the write-ahead log of erased rows where an erasure could not, because another process read the database.
   * False when one still does.
   */
  finishErasures(): Promise<boolean>;

  /** Writes to the database without changing anything in it, and waits for no other process. */
  checkWritable(): Promise<void>;
  statistics(): StoreStatistics;
}
