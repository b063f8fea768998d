export type {
  AnalyzeImagesOptions,
  DeletedCounts,
  EngineFacts,
  FrameDelivery,
  PictureInput,
  Pipeline,
  PipelineStatistics,
  StreamProgress,
  SubscribeFramesOptions,
  UploadReceipt,
  UploadsDoor,
  VideoInput,
} from './types.ts';
