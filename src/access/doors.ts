/**
 * The doors of the store and the pipeline as one caller sees them. Whoever serves callers has these alone, so that what
 * belongs to another key cannot be reached by oversight: an id that comes from outside opens only what looks at its owner
 * here, and everything else asks for the stream itself, which only these doors give. What is not there and what is
 * another's have the same answer.
 */
import type { FrameEstimate, ImageAnalysis, StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import type {
  AnalyzeImagesOptions,
  DeletedCounts,
  EngineFacts,
  FrameDelivery,
  LiveInput,
  PictureInput,
  Pipeline,
  PipelineStatistics,
  PushedPicture,
  PushInput,
  StreamProgress,
  SubscribeFramesOptions,
  UploadReceipt,
  VideoInput,
} from '../pipeline/index.ts';
import type {
  AffectSummary,
  FrameQuery,
  ImageQuery,
  Page,
  Store,
  StreamQuery,
  SummaryQuery,
  TimelineBucket,
  TimelineQuery,
  TrackSummary,
} from '../store/index.ts';
import type { Caller } from './caller.ts';

/** What is made belongs to the caller; nobody says so himself. */
type Unowned<T> = Omit<T, 'ownerKeyId'>;

/**
 * What is stored, for one caller. Errors as `Store` names them; FORBIDDEN where a stream's history is read without the
 * scope read, because the mutations of a key that may only write answer with streams.
 */
export interface CallerStore {
  stream(id: string): Promise<StreamRecord | null>;
  streams(query: Unowned<StreamQuery>): Promise<Page<StreamRecord>>;
  image(id: string): Promise<ImageAnalysis | null>;
  images(query: Unowned<ImageQuery>): Promise<Page<ImageAnalysis>>;
  deleteImage(id: string): Promise<boolean>;
  frames(stream: StreamRecord, query: FrameQuery): Promise<Page<FrameEstimate>>;
  tracks(stream: StreamRecord, query: Parameters<Store['tracks']>[1]): Promise<Page<TrackSummary>>;
  timeline(stream: StreamRecord, query: TimelineQuery): Promise<readonly TimelineBucket[]>;
  summary(stream: StreamRecord, query: SummaryQuery): Promise<AffectSummary>;
  /** Where the frames of one stream are read one after the other. */
  sourceOf(stream: StreamRecord): Pick<Store, 'framesAfter' | 'progress'>;
}

/** What can be done, for one caller. Errors as `Pipeline` names them, and LIMIT_EXCEEDED. */
export interface CallerPipeline {
  readonly engine: EngineFacts;
  statistics(): PipelineStatistics;
  receiveUpload(
    source: AsyncIterable<Uint8Array>,
    options?: { readonly contentLength?: number },
  ): Promise<UploadReceipt>;
  removeUpload(id: string): Promise<boolean>;
  analyzeImages(
    images: readonly PictureInput[],
    options?: Unowned<AnalyzeImagesOptions>,
  ): Promise<readonly ImageAnalysis[]>;
  analyzeVideo(input: Unowned<VideoInput>): Promise<StreamRecord>;
  openStream(input: Unowned<LiveInput>): Promise<StreamRecord>;
  openPush(input: Unowned<PushInput>): Promise<StreamRecord>;
  pushFrame(streamId: string, picture: PushedPicture): Promise<FrameEstimate>;
  stopStream(id: string): Promise<StreamRecord>;
  deleteStream(id: string): Promise<DeletedCounts>;
  progress(stream: StreamRecord): Promise<StreamProgress>;
  subscribeFrames(streamId: string, options?: SubscribeFramesOptions): AsyncGenerator<FrameDelivery>;
  subscribeStatus(streamId: string | null, options?: { readonly signal?: AbortSignal }): AsyncGenerator<StreamRecord>;
}

export interface Doors {
  readonly store: CallerStore;
  readonly pipeline: CallerPipeline;
}

/** An id that no upload has. */
const NO_UPLOAD = '';

export function openDoors(
  caller: Caller,
  { store, pipeline }: { readonly store: Store; readonly pipeline: Pipeline },
): Doors {
  const { keyId, onlyKeyId, usage } = caller;
  const owned = <T extends object>(input: T): T & { readonly ownerKeyId: string | null } => ({
    ...input,
    ownerKeyId: keyId,
  });

  async function visible(id: string): Promise<StreamRecord | null> {
    const stream = await store.stream(id);
    return stream !== null && caller.sees(stream) ? stream : null;
  }

  /** Errors: NOT_FOUND. */
  async function mustSee(id: string): Promise<void> {
    // Who sees everything is told by whoever looks the stream up anyway.
    if (onlyKeyId === null || (await visible(id)) !== null) return;
    throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(id)}.`);
  }

  /** The id of a stream whose history the caller reads. Errors: FORBIDDEN. */
  function readable(stream: StreamRecord): string {
    caller.demand('read');
    return stream.id;
  }

  /** The id of an upload ends with that of its key; another's becomes one that is not there, wherever it is looked for. */
  const ownUpload = (id: string): string => (onlyKeyId === null || id.endsWith(`.${onlyKeyId}`) ? id : NO_UPLOAD);

  const opening = (open: () => Promise<StreamRecord>): Promise<StreamRecord> =>
    usage.opening(async () => (keyId === null ? 0 : store.openStreamsOf(keyId)), open);

  return {
    store: {
      stream: visible,
      streams: (query) => store.streams(onlyKeyId === null ? query : { ...query, ownerKeyId: onlyKeyId }),
      async image(id) {
        const image = await store.image(id);
        return image !== null && caller.sees(image) ? image : null;
      },
      images: (query) => store.images(onlyKeyId === null ? query : { ...query, ownerKeyId: onlyKeyId }),
      async deleteImage(id) {
        if ((await this.image(id)) === null) return false;
        return store.deleteImage(id);
      },
      frames: async (stream, query) => store.frames(readable(stream), query),
      tracks: async (stream, query) => store.tracks(readable(stream), query),
      timeline: async (stream, query) => store.timeline(readable(stream), query),
      summary: async (stream, query) => store.summary(readable(stream), query),
      sourceOf(stream) {
        const id = readable(stream);
        return {
          framesAfter: (_, sequence, limit) => store.framesAfter(id, sequence, limit),
          progress: () => store.progress(id),
        };
      },
    },
    pipeline: {
      engine: pipeline.engine,
      statistics: () => pipeline.statistics(),
      receiveUpload: (source, { contentLength } = {}) => {
        const announced = contentLength === undefined ? {} : { announcedBytes: contentLength };
        const options = contentLength === undefined ? {} : { contentLength };
        return usage.receiving({ source, ...announced }, (counted) =>
          pipeline.uploads.receive(counted, owned({ ...options, signal: caller.ended })),
        );
      },
      removeUpload: (id) => pipeline.uploads.remove(ownUpload(id)),
      analyzeImages: (images, options = {}) => pipeline.analyzeImages(images, owned(options)),
      analyzeVideo: (input) =>
        opening(() => pipeline.analyzeVideo(owned({ ...input, uploadId: ownUpload(input.uploadId) }))),
      openStream: (input) => opening(() => pipeline.openStream(owned(input))),
      openPush: (input) => opening(() => pipeline.openPush(owned(input))),
      async pushFrame(streamId, picture) {
        await mustSee(streamId);
        return pipeline.pushFrame(streamId, picture);
      },
      async stopStream(id) {
        await mustSee(id);
        return pipeline.stopStream(id);
      },
      async deleteStream(id) {
        await mustSee(id);
        return pipeline.deleteStream(id);
      },
      progress: ({ id }) => pipeline.progress(id),
      async *subscribeFrames(streamId, options) {
        using _place = usage.subscribing();
        await mustSee(streamId);
        yield* pipeline.subscribeFrames(streamId, options);
      },
      async *subscribeStatus(streamId, { signal } = {}) {
        using _place = usage.subscribing();
        if (streamId !== null) await mustSee(streamId);
        const options = signal === undefined ? {} : { signal };
        yield* pipeline.subscribeStatus(streamId, { ...options, wanted: (stream) => caller.sees(stream) });
      },
    },
  };
}
