export { angleDegrees, intensity, quadrant } from '../estimates/index.ts';
export { ffmpegVersion } from '../ingest/index.ts';
export { analyzeFile, type FileAnalysis, type FileAnalysisOptions } from './analyze-file.ts';
export { createPipeline, type PipelineParts } from './create-pipeline.ts';
export { LIVE_FRAMES_IN_FLIGHT } from './live-job.ts';
export type {
  AnalyzeImagesOptions,
  DeletedCounts,
  EngineFacts,
  FrameDelivery,
  LiveInput,
  OpenInput,
  PictureInput,
  Pipeline,
  PipelineStatistics,
  PushedPicture,
  PushInput,
  RetentionStatistics,
  StreamProgress,
  SubscribeFramesOptions,
  UploadReceipt,
  UploadsDoor,
  VideoInput,
} from './types.ts';
