/**
 * The words every part shares: pictures, faces, affect, frames, streams. Types and constants alone; whoever works on
 * them lives in a folder of its own.
 */

/** A point of the upright picture, normalised: x to the right and y downwards, [0, 1] inside the picture. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** An upright rectangle of the upright picture, normalised to [0, 1]; x and y are its top left corner. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A decoded picture: packed RGB, row by row from the top, `width * height * 3` bytes. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/**
 * A picture with its place in time. `sequence` counts the frames that a stream processes, from 0 and without a gap;
 * `ptsSeconds` is the media time of the container (a still picture has 0).
 */
export interface Frame {
  readonly sequence: number;
  readonly ptsSeconds: number;
  /** Wall-clock time of capture; `null` where nobody knows it (a file). */
  readonly capturedAt: Date | null;
  /** The pixels that are looked at; may be smaller than the source. */
  readonly image: RgbImage;
  /** Upright size of the source, in pixels, before any scaling. */
  readonly sourceWidth: number;
  readonly sourceHeight: number;
  /** Frames that a live stream left out since the frame before; always 0 for files. */
  readonly skippedBefore: number;
  /** When it arrived, on the clock of `performance.now()`; where it is missing its latency counts from its first look. */
  readonly arrivedAtMs?: number;
}

/** Names of the points that a detector may give, seen from the person: the right eye is on the picture's left. */
export const LANDMARK_NAMES = ['rightEye', 'leftEye', 'noseTip', 'mouthCentre', 'rightEar', 'leftEar'] as const;
export type LandmarkName = (typeof LANDMARK_NAMES)[number];

/** The four points that every detector gives, and the ears where it gives them. Normalised like {@link Point}. */
export interface Landmarks {
  readonly rightEye: Point;
  readonly leftEye: Point;
  readonly noseTip: Point;
  readonly mouthCentre: Point;
  readonly rightEar: Point | null;
  readonly leftEar: Point | null;
}

/** What a detector says of one face: where, its points, and its score in [0, 1]. */
export interface DetectedFace {
  readonly box: Box;
  readonly landmarks: Landmarks;
  readonly score: number;
}

/** A detected face with the aligned square crop that the affect model reads: `size * size * 3` bytes RGB. */
export interface FoundFace {
  readonly face: DetectedFace;
  readonly crop: Uint8Array;
}

/** A detected face that belongs to a track. Track numbers count from 1 within a stream and are never used twice. */
export interface TrackedFace extends DetectedFace {
  readonly trackNumber: number;
}

/** A point of Russell's circumplex: both in [-1, 1]; valence unpleasant to pleasant, arousal deactivated to activated. */
export interface Affect {
  readonly valence: number;
  readonly arousal: number;
}

/** The eight expressions, in the order of every probability vector here (AffectNet's codes 0 to 7). */
export const EXPRESSIONS = [
  'NEUTRAL',
  'HAPPINESS',
  'SADNESS',
  'SURPRISE',
  'FEAR',
  'DISGUST',
  'ANGER',
  'CONTEMPT',
] as const;
export type Expression = (typeof EXPRESSIONS)[number];

/** What the network says of one crop. */
export interface FaceReading {
  readonly affect: Affect;
  /** Eight probabilities in the order of {@link EXPRESSIONS}; they add up to 1. */
  readonly expressions: readonly number[];
  /** Expected error of valence and arousal as one standard deviation (root of their mean variance), in affect units, >= 0. */
  readonly uncertainty: number;
}

/** What the network says of a crop before anybody has judged whether it shows a face. */
export interface CropReading extends FaceReading {
  /** How sure the network is that the crop shows a face at all, [0, 1]; 1 from a model that does not say. */
  readonly faceness: number;
}

export type Quadrant = 'EXCITED' | 'DISTRESSED' | 'DEPRESSED' | 'CALM' | 'NEUTRAL';

/** One face of one frame, as it is stored and published. */
export interface FaceEstimate extends FaceReading {
  readonly trackNumber: number;
  readonly box: Box;
  readonly landmarks: Landmarks;
  readonly score: number;
  /** `affect` smoothed over the track's past; equals `affect` on a track's first frame. */
  readonly smoothed: Affect;
}

/** One frame, as it is stored and published; `faces` is empty for a frame without one. */
export interface FrameEstimate {
  readonly streamId: string;
  readonly sequence: number;
  readonly ptsSeconds: number;
  readonly capturedAt: Date | null;
  /** Upright size of the source in pixels. */
  readonly width: number;
  readonly height: number;
  readonly faces: readonly FaceEstimate[];
  readonly skippedBefore: number;
  /** From the moment the frame was read until its estimate was ready to be stored. */
  readonly latencyMs: number;
}

/** A picture's estimate: the faces carry track numbers 1, 2, ... by their size, largest first. */
export interface ImageAnalysis {
  readonly id: string;
  /** Id of the key that it was made with; `null` without keys. */
  readonly ownerKeyId: string | null;
  readonly createdAt: Date;
  readonly name: string | null;
  readonly width: number;
  readonly height: number;
  readonly faces: readonly FaceEstimate[];
  readonly latencyMs: number;
  /** `null` where it was not kept. */
  readonly analysis: AnalysisFacts | null;
}

/** The networks and settings that make estimates what they are: with the same ones the same would come out again. */
export interface AnalysisFacts {
  readonly modelName: string;
  readonly modelVersion: string;
  /** SHA-256 of the affect model's file, hexadecimal. */
  readonly modelSha256: string;
  readonly detectorName: string;
  /** `onnxruntime` or `tensorflow`. */
  readonly engine: string;
  readonly provider: string;
  /** Crops with a lower faceness were taken for no faces, [0, 1]. */
  readonly minFaceness: number;
  /** Longest side that was looked at, pixels; larger pictures were scaled down. */
  readonly maxSidePixels: number;
  /** Time constant of the smoothed estimates; `null` for a picture, like the next. */
  readonly smoothingSeconds: number | null;
  readonly trackMissSeconds: number | null;
}

/** What feeds a stream: an uploaded file, an address that the server reads from, or a client that pushes pictures. */
export type StreamKind = 'FILE' | 'LIVE' | 'PUSH';

/**
 * A file is QUEUED, then RUNNING. A live stream is CONNECTING until its first frame and RUNNING while frames come; it is
 * STALLED when they stop coming and RECONNECTING from the loss of its source until they come again. A pushed one is
 * RUNNING. The last three are endings.
 */
export const STREAM_STATUSES = [
  'QUEUED',
  'CONNECTING',
  'RUNNING',
  'STALLED',
  'RECONNECTING',
  'COMPLETED',
  'FAILED',
  'STOPPED',
] as const;
export type StreamStatus = (typeof STREAM_STATUSES)[number];

/** Nothing follows these. */
export const STREAM_ENDINGS = ['COMPLETED', 'FAILED', 'STOPPED'] as const satisfies readonly StreamStatus[];

/** Which frames of a file are looked at: all of them, or at most so many a second (real frames, never made-up ones). */
export type Sampling = { readonly kind: 'EVERY_FRAME' } | { readonly kind: 'RATE'; readonly framesPerSecond: number };

/** Which frames of a live stream are scored: the newest one whenever there is room, or every one however late. */
export const DELIVERIES = ['LATEST', 'EVERY'] as const;
export type Delivery = (typeof DELIVERIES)[number];

/** How the media of an RTSP source come: TCP, and UDP where the source refuses that; or one of them alone. */
export const RTSP_TRANSPORTS = ['AUTO', 'TCP', 'UDP'] as const;
export type RtspTransport = (typeof RTSP_TRANSPORTS)[number];

/** Why something went wrong: a code of errors.ts (or of an older version), and words for people. */
export interface Fault {
  readonly code: string;
  readonly message: string;
}

/** The wait for a source that was lost. */
export interface Retry {
  /** Counts the tries since the last frame, from 1. */
  readonly attempt: number;
  readonly nextTryAt: Date;
  /** Why the try before did not work, or the connection ended. */
  readonly problem: Fault;
}

/** How a live stream stands to its source, with what each state carries. */
export type LiveState =
  | { readonly status: 'CONNECTING' }
  | { readonly status: 'RUNNING' }
  | { readonly status: 'STALLED' }
  | { readonly status: 'RECONNECTING'; readonly retry: Retry };

/** What a live or a pushed stream has beyond a file. All but the last two is fixed when it is opened. */
export interface LiveFacts {
  /** Where it is read from, without credentials and secrets; `null` for a pushed stream. */
  readonly address: string | null;
  readonly delivery: Delivery;
  /** AUTO for what is read in another way. */
  readonly rtspTransport: RtspTransport;
  /** Frames are scaled down to this width before faces are looked for; `null` leaves it to the server's settings. */
  readonly maxWidthPixels: number | null;
  readonly smoothingSeconds: number;
  readonly trackMissSeconds: number;
  /** Times that frames came again after the source had been lost. */
  readonly reconnects: number;
  /** `null` unless the status is RECONNECTING. */
  readonly retry: Retry | null;
}

/** A fault that did not end the stream, such as a damaged stretch of a video. */
export interface StreamWarning {
  readonly code: 'MEDIA_DAMAGED' | 'FRAMES_FAILED' | 'ANALYSIS_CHANGED';
  readonly message: string;
  /** How many times it was seen. */
  readonly count: number;
}

/** What is known of a medium before it is decoded. */
export interface MediaFacts {
  readonly sizeBytes: number;
  /** `null` where the container does not say. */
  readonly durationSeconds: number | null;
  /** Upright, after the rotation that the container asks for. */
  readonly width: number;
  readonly height: number;
  readonly rotationDegrees: number;
  readonly videoCodec: string;
  readonly container: string;
  /** Average rate; `null` where the container does not say. */
  readonly framesPerSecond: number | null;
  /** First presentation time of the video track, seconds. */
  readonly startSeconds: number;
}

/** One stream that is, was or will be processed. */
export interface StreamRecord {
  readonly id: string;
  /** Counts the stored changes of this record, from 0: of two states of one stream the higher is the later. */
  readonly revision: number;
  /** Id of the key that it was made with; `null` without keys. */
  readonly ownerKeyId: string | null;
  readonly kind: StreamKind;
  readonly name: string;
  readonly labels: readonly string[];
  readonly status: StreamStatus;
  readonly sampling: Sampling;
  /** `null` where nothing is known before the first frame: live and pushed streams. */
  readonly media: MediaFacts | null;
  /** Id of the upload that feeds it; `null` once the upload has been removed. */
  readonly uploadId: string | null;
  /** `null` for a file. */
  readonly live: LiveFacts | null;
  /** Days after its end at which it is erased, above 0; `null` where only the limit for all streams holds. */
  readonly retentionDays: number | null;
  readonly error: Fault | null;
  readonly warnings: readonly StreamWarning[];
  /** As it first ran; `null` before, and for streams of before this was kept. */
  readonly analysis: AnalysisFacts | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/**
 * What a key may do: `read` asks, subscribes and exports, `write` starts, stops and erases, both over the key's own streams and
 * pictures. Neither implies the other. `admin` implies both, over everything, and reads the metrics.
 */
export const KEY_SCOPES = ['read', 'write', 'admin'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

/** How much one key may take; 0 sets no limit. */
export interface KeyLimits {
  /** Streams that have not ended. */
  readonly openStreams: number;
  /** HTTP requests, and operations over WebSocket. */
  readonly requestsPerMinute: number;
  /** Videos that are being received. */
  readonly uploadsInFlight: number;
  /** Bytes of videos. */
  readonly uploadBytesPerDay: number;
  readonly subscriptions: number;
  /** Frames of all its streams that are in the database. */
  readonly storedFrames: number;
}

/** A key as it is stored: what is needed to know it again, never the key itself. */
export interface ApiKeyRecord {
  /** Stands in the key's own text. */
  readonly id: string;
  /** Name for people. */
  readonly name: string;
  /** SHA-256 of the secret, in hexadecimal. */
  readonly secretHash: string;
  readonly scopes: readonly KeyScope[];
  /** Limits of its own, in place of the server's. */
  readonly limits: Partial<KeyLimits>;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
  /** Known to a minute or so. */
  readonly lastUsedAt: Date | null;
}
