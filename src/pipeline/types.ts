/**
 * What the pipeline offers to those above it (GraphQL and the command line): the whole of analysis, without transport
 * and without storage's details.
 */
import type { PoolStatistics } from '../batches/index.ts';
import type {
  Delivery,
  FrameEstimate,
  ImageAnalysis,
  LiveState,
  RtspTransport,
  Sampling,
  StreamKind,
  StreamRecord,
} from '../domain.ts';
import type { HistogramSnapshot } from '../flow/index.ts';
import type { MediaProcessCounts, UploadsStatistics } from '../ingest/index.ts';
import type { HubStatistics } from '../publish/index.ts';

/** A still picture as its encoded bytes (JPEG, PNG, WebP, ...). */
export interface PictureInput {
  readonly bytes: Uint8Array;
  /** The file's name as the caller gave it; kept with the result, never used as a path. */
  readonly name: string | null;
}

export interface AnalyzeImagesOptions {
  /** Keep the results in the database. Default `true`; `false` leaves no trace of the picture. */
  readonly store?: boolean;
  /** Id of the key that it is made with. Default `null`: made without keys. */
  readonly ownerKeyId?: string | null;
  readonly signal?: AbortSignal;
}

export interface VideoInput {
  /** Id that {@link UploadsDoor.receive} gave. The job claims it: a second job over it is refused with BAD_INPUT. */
  readonly uploadId: string;
  /** Shown to people, e.g. the file's name. 1 to 200 characters. */
  readonly name: string;
  readonly sampling: Sampling;
  /** At most 20 labels of at most 100 characters. Default none. */
  readonly labels?: readonly string[];
  /** Days after its end at which the stream is erased, above 0; the setting RETENTION_DAYS may erase it sooner. Default that alone. */
  readonly retentionDays?: number;
  /** Id of the key that it is made with. Default `null`: made without keys. */
  readonly ownerKeyId?: string | null;
  readonly signal?: AbortSignal;
}

/** What a live and a pushed stream have in common. */
export interface OpenInput {
  /** Shown to people. 1 to 200 characters. */
  readonly name: string;
  /** At most 20 labels of at most 100 characters. Default none. */
  readonly labels?: readonly string[];
  /** Pictures are scaled down to this width before faces are looked for, 16 to 8192. Default the server's settings. */
  readonly maxWidthPixels?: number;
  /** Time constant of the smoothed values, 0 to 60; 0 switches smoothing off. Default the server's setting. */
  readonly smoothingSeconds?: number;
  /** Time that a face may be out of sight and keep its track, 0.1 to 60. Default the server's setting. */
  readonly trackMissSeconds?: number;
  /** Days after its end at which the stream is erased, above 0; the setting RETENTION_DAYS may erase it sooner. Default that alone. */
  readonly retentionDays?: number;
  /** Id of the key that it is made with. Default `null`: made without keys. */
  readonly ownerKeyId?: string | null;
}

export interface LiveInput extends Omit<OpenInput, 'name'> {
  /** Shown to people. 1 to 200 characters. Default the address without its credentials. */
  readonly name?: string;
  /** Where it is read from; may carry credentials, which are kept from everybody but the source. */
  readonly url: string;
  /** At most so many frames a second, above 0 and up to 1000. Default 5. */
  readonly framesPerSecond?: number;
  /** Default LATEST. */
  readonly delivery?: Delivery;
  /** Default AUTO, which all but RTSP must have. */
  readonly rtspTransport?: RtspTransport;
}

export type PushInput = OpenInput;

/** One picture for a pushed stream. */
export interface PushedPicture {
  /** JPEG, PNG, WebP or whatever else a still picture may be. */
  readonly bytes: Uint8Array;
  /** By the client's clock, which need not be right but must run on. Default the time of its arrival. */
  readonly capturedAt?: Date;
  /** Ends the wait for its turn. */
  readonly signal?: AbortSignal;
}

/** How far a stream is. For an ended stream these are its final figures. */
export interface StreamProgress {
  /** Frames that are stored. */
  readonly framesDone: number;
  /** Faces on those frames, all together. */
  readonly facesFound: number;
  /** Frames that a live stream left out, all together; 0 for files. */
  readonly framesSkipped: number;
  /** Media time from the video's start to the last stored frame. */
  readonly mediaSecondsDone: number;
  /** `null` where the container does not say how long it is. */
  readonly mediaSecondsTotal: number | null;
  /** Share of the medium that is done, [0, 1]; 1 once completed; `null` where the total is unknown. */
  readonly share: number | null;
  /** Media seconds processed per second of wall-clock, since the job (last) began to run; `null` unless it runs. */
  readonly speed: number | null;
  /** Wall-clock seconds until the end at that speed; `null` unless it runs and the total is known. */
  readonly etaSeconds: number | null;
}

/** What analyses, as an operator or a client wants to know it. Fixed from start to stop. */
export interface EngineFacts {
  readonly engine: string;
  /** 'cpu', 'cuda' or 'webgpu'. */
  readonly provider: string;
  readonly modelName: string;
  readonly modelVersion: string;
  readonly detectorName: string;
  readonly workers: number;
  readonly maxBatch: number;
}

/** What was erased because of its age, since the start. */
export interface RetentionStatistics {
  readonly streams: number;
  readonly frames: number;
  readonly images: number;
  /** Sweeps that broke off with an error. */
  readonly failures: number;
  /** When everything that was due had been erased; `null` before that. */
  readonly sweptAt: Date | null;
}

/** Of streams whose source the server reads from. */
export interface LiveStatistics {
  /** Those that are open, by how they stand to their source. */
  readonly streams: Readonly<Record<LiveState['status'], number>>;
  /** Times that frames came again after a source had been lost, since the start. */
  readonly reconnects: number;
  /** Times that a source fell silent without being lost yet, since the start. */
  readonly stalls: number;
  /** Since the start. */
  readonly frames: Readonly<Record<Delivery, { readonly scored: number; readonly skipped: number }>>;
}

/** Counters and depths at this moment, of the pipeline and of what it joins. */
export interface PipelineStatistics {
  readonly jobsRunning: number;
  readonly jobsQueued: number;
  /** Jobs refused with OVERLOADED since the start. */
  readonly jobsRefused: number;
  /** Live and pushed streams that are open. */
  readonly liveStreams: number;
  /** Live and pushed streams refused with OVERLOADED since the start. */
  readonly liveStreamsRefused: number;
  readonly live: LiveStatistics;
  readonly imagesInFlight: number;
  /** Pictures that wait for their turn. */
  readonly imagesWaiting: number;
  /** Pictures refused with OVERLOADED since the start. */
  readonly imagesRefused: number;
  /** Pictures scored since the start, and those that could not be, for whatever reason. */
  readonly imagesDone: number;
  readonly imagesFailed: number;
  /** Frames scored and stored since the start. */
  readonly framesDone: number;
  /** Frames that were stored without faces because a worker failed over them, since the start. */
  readonly framesFailed: number;
  /** Frames that live streams left out, since the start. */
  readonly framesSkipped: number;
  /** Faces on the frames and pictures that were scored, since the start. */
  readonly facesFound: number;
  /** From a frame's decoding, or its arrival from a live source or a client, to its estimate. */
  readonly frameLatencyMs: Readonly<Record<StreamKind, HistogramSnapshot>>;
  /** From a picture's first byte decoded to its estimate, without the wait for its turn. */
  readonly imageLatencyMs: HistogramSnapshot;
  readonly retention: RetentionStatistics;
  readonly vision: PoolStatistics;
  readonly hub: HubStatistics;
  readonly uploads: UploadsStatistics;
  readonly mediaProcesses: MediaProcessCounts;
}

export interface FrameDelivery {
  readonly frame: FrameEstimate;
  /** Frames that this subscriber lost just before this one, because it was slower than the stream. */
  readonly droppedBefore: number;
}

export interface SubscribeFramesOptions {
  /** Start after this sequence, replaying from the database what is past; default: only frames from now on. */
  readonly afterSequence?: number;
  readonly signal?: AbortSignal;
  /** Takes the live frames instead of their being yielded; a promise that it returns is waited for before the next. */
  readonly onLive?: (delivery: FrameDelivery) => Promise<void> | undefined;
}

/** What is erased together with a stream. */
export interface DeletedCounts {
  readonly frames: number;
  readonly faces: number;
  readonly tracks: number;
}

export interface UploadReceipt {
  readonly id: string;
  readonly sizeBytes: number;
}

/** The part of the uploads that callers of the pipeline need: bytes in, id out. */
export interface UploadsDoor {
  /**
   * Streams bytes to disk and resolves once they are durable there. Errors: UPLOAD_TOO_LARGE, UPLOAD_INCOMPLETE (fewer
   * bytes than `contentLength`, or the sender broke off; nothing remains on disk), ABORTED. The id ends with that of the
   * key in `ownerKeyId`, after a point, where one is given.
   */
  receive(
    source: AsyncIterable<Uint8Array>,
    options?: {
      readonly contentLength?: number;
      readonly signal?: AbortSignal;
      readonly ownerKeyId?: string | null;
    },
  ): Promise<UploadReceipt>;
  /** Removes an upload that no job has claimed; false when there is none, or a job has it. */
  remove(id: string): Promise<boolean>;
}

export interface Pipeline extends AsyncDisposable {
  readonly uploads: UploadsDoor;
  readonly engine: EngineFacts;

  /**
   * Scores pictures, some side by side, and resolves in the order of the input. All or nothing: when one fails, the
   * rest is not stored either, and its error names the picture. Errors: MEDIA_UNSUPPORTED, MEDIA_DAMAGED,
   * PICTURE_TOO_LARGE, OVERLOADED, ABORTED, WORKER_FAILED, STORE_FAILED.
   */
  analyzeImages(images: readonly PictureInput[], options?: AnalyzeImagesOptions): Promise<readonly ImageAnalysis[]>;

  /**
   * Accepts a video file as a job and resolves at once with its QUEUED stream. The file's header is read first, so a
   * file that is no video is an error here and its upload is removed. After OVERLOADED the upload stays, for another try.
   * Errors: NOT_FOUND (no such upload), BAD_INPUT, MEDIA_UNSUPPORTED, MEDIA_DAMAGED, MEDIA_WITHOUT_VIDEO, MEDIA_BLOCKED,
   * MEDIA_TOO_COSTLY, PICTURE_TOO_LARGE, OVERLOADED, LIMIT_EXCEEDED (of stored frames), FFMPEG_MISSING, STORE_FAILED.
   */
  analyzeVideo(input: VideoInput): Promise<StreamRecord>;

  /**
   * Opens a live source and resolves at once with its CONNECTING stream. A source that cannot be reached, or is lost
   * later, is called again and again until it has failed too often in a row; streams that are open come back after a
   * restart of the server. Errors: BAD_INPUT, ADDRESS_REFUSED, OVERLOADED (all places are taken), LIMIT_EXCEEDED
   * (of stored frames), STORE_FAILED.
   */
  openStream(input: LiveInput): Promise<StreamRecord>;

  /** Opens a stream whose pictures come by `pushFrame`. Errors: BAD_INPUT, OVERLOADED, LIMIT_EXCEEDED, STORE_FAILED. */
  openPush(input: PushInput): Promise<StreamRecord>;

  /**
   * Scores the next picture of a pushed stream and resolves once it is stored and published: whoever waits for that before
   * the next call is as fast as this machine. One more picture may wait for its turn. Errors: NOT_FOUND, BAD_INPUT (no
   * pushed stream, one that has ended, a time that does not run on), OVERLOADED (two are waiting already), those of a
   * still picture, ABORTED, STORE_FAILED.
   */
  pushFrame(streamId: string, picture: PushedPicture): Promise<FrameEstimate>;

  /**
   * Ends a stream before its end and resolves once nothing of it works any more; frames that are scored by then stay.
   * A stream that has ended already is returned as it is. Errors: NOT_FOUND, STORE_FAILED.
   */
  stopStream(id: string): Promise<StreamRecord>;

  /** Stops a stream, then erases it, its upload and every estimate of it. Errors: NOT_FOUND, STORE_FAILED. */
  deleteStream(id: string): Promise<DeletedCounts>;

  /** Errors: NOT_FOUND, STORE_FAILED. */
  progress(id: string): Promise<StreamProgress>;

  /**
   * Every frame of a stream from where the options say, in order, each once; past ones from the database, then live.
   * Ends after the last frame of an ended stream, or when `signal` fires. Errors at the first pull: NOT_FOUND.
   */
  subscribeFrames(streamId: string, options?: SubscribeFramesOptions): AsyncGenerator<FrameDelivery>;

  /**
   * The stream as it is now, then after every change of its status; ends after an ending. Without an id: the changes of
   * all streams from now on, or of those that `wanted` is true for, until `signal` fires. Errors at the first pull: NOT_FOUND.
   */
  subscribeStatus(
    streamId: string | null,
    options?: { readonly signal?: AbortSignal; readonly wanted?: (stream: StreamRecord) => boolean },
  ): AsyncGenerator<StreamRecord>;

  statistics(): PipelineStatistics;
}
