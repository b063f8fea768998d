/** Between the database's rows and the domain's types. */
import type {
  AnalysisFacts,
  ApiKeyRecord,
  FaceEstimate,
  FrameEstimate,
  ImageAnalysis,
  Landmarks,
  LiveFacts,
  Point,
  Retry,
  StreamRecord,
} from '../domain.ts';
import type { ApiKey, Image, Prisma, Stream } from '../generated/prisma/client.ts';

/** One array a frame, in the order of the insert in frame-writer.ts. */
export function frameRow(frame: FrameEstimate): readonly unknown[] {
  return [
    frame.streamId,
    frame.sequence,
    frame.ptsSeconds,
    frame.capturedAt?.toISOString() ?? null,
    frame.width,
    frame.height,
    frame.faces.length,
    frame.skippedBefore,
    frame.latencyMs,
  ];
}

/** One array a face, in the order of the insert in frame-writer.ts. */
export function faceRow({ streamId, sequence, ptsSeconds }: FrameEstimate, face: FaceEstimate): readonly unknown[] {
  const { box, affect, smoothed } = face;
  return [
    streamId,
    sequence,
    face.trackNumber,
    ptsSeconds,
    face.score,
    box.x,
    box.y,
    box.width,
    box.height,
    landmarksText(face.landmarks),
    affect.valence,
    affect.arousal,
    smoothed.valence,
    smoothed.arousal,
    face.uncertainty,
    ...face.expressions,
  ];
}

export interface FrameRow {
  readonly streamId: string;
  readonly sequence: number;
  readonly ptsSeconds: number;
  readonly capturedAt: Date | null;
  readonly width: number;
  readonly height: number;
  readonly skippedBefore: number;
  readonly latencyMs: number;
  readonly faces: readonly FaceRow[];
}

export interface FaceRow {
  readonly trackNumber: number;
  readonly score: number;
  readonly boxX: number;
  readonly boxY: number;
  readonly boxWidth: number;
  readonly boxHeight: number;
  readonly landmarks: string;
  readonly valence: number;
  readonly arousal: number;
  readonly valenceSmoothed: number;
  readonly arousalSmoothed: number;
  readonly uncertainty: number;
  readonly neutral: number;
  readonly happiness: number;
  readonly sadness: number;
  readonly surprise: number;
  readonly fear: number;
  readonly disgust: number;
  readonly anger: number;
  readonly contempt: number;
}

export function toFrame({ faces, ...frame }: FrameRow): FrameEstimate {
  const { streamId, sequence, ptsSeconds, capturedAt, width, height, skippedBefore, latencyMs } = frame;
  return {
    streamId,
    sequence,
    ptsSeconds,
    capturedAt,
    width,
    height,
    faces: faces.map(toFace),
    skippedBefore,
    latencyMs,
  };
}

function toFace(row: FaceRow): FaceEstimate {
  return {
    trackNumber: row.trackNumber,
    score: row.score,
    box: { x: row.boxX, y: row.boxY, width: row.boxWidth, height: row.boxHeight },
    landmarks: landmarksOf(row.landmarks),
    affect: { valence: row.valence, arousal: row.arousal },
    smoothed: { valence: row.valenceSmoothed, arousal: row.arousalSmoothed },
    uncertainty: row.uncertainty,
    expressions: [
      row.neutral,
      row.happiness,
      row.sadness,
      row.surprise,
      row.fear,
      row.disgust,
      row.anger,
      row.contempt,
    ],
  };
}

function landmarksText({ rightEye, leftEye, noseTip, mouthCentre, rightEar, leftEar }: Landmarks): string {
  const points = [rightEye, leftEye, noseTip, mouthCentre, rightEar, leftEar];
  return JSON.stringify(points.flatMap((point) => [point?.x ?? null, point?.y ?? null]));
}

function landmarksOf(text: string): Landmarks {
  const numbers = JSON.parse(text) as (number | null)[];
  const sure = (index: number): Point => ({ x: numbers[index * 2] ?? 0, y: numbers[index * 2 + 1] ?? 0 });
  const ear = (index: number): Point | null => (typeof numbers[index * 2] === 'number' ? sure(index) : null);
  return {
    rightEye: sure(0),
    leftEye: sure(1),
    noseTip: sure(2),
    mouthCentre: sure(3),
    rightEar: ear(4),
    leftEar: ear(5),
  };
}

export function toStream(row: Stream): StreamRecord {
  return {
    id: row.id,
    revision: row.revision,
    ownerKeyId: row.ownerKeyId,
    kind: row.kind as StreamRecord['kind'],
    name: row.name,
    labels: JSON.parse(row.labels) as string[],
    status: row.status as StreamRecord['status'],
    sampling: JSON.parse(row.sampling) as StreamRecord['sampling'],
    media: row.media === null ? null : (JSON.parse(row.media) as StreamRecord['media']),
    uploadId: row.uploadId,
    live: liveOf(row),
    retentionDays: row.retentionDays,
    error: row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage ?? '' },
    warnings: JSON.parse(row.warnings) as StreamRecord['warnings'],
    analysis: analysisOf(row),
    createdAt: row.createdAt,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
  };
}

function analysisOf({ analysis }: Pick<Stream, 'analysis'>): AnalysisFacts | null {
  return analysis === null ? null : (JSON.parse(analysis) as AnalysisFacts);
}

function analysisText(analysis: AnalysisFacts | null): string | null {
  return analysis === null ? null : JSON.stringify(analysis);
}

function liveOf(row: Stream): LiveFacts | null {
  const { address, delivery, rtspTransport, maxWidthPixels, smoothingSeconds, trackMissSeconds, reconnects, retry } =
    row;
  if (delivery === null) return null;
  return {
    address,
    delivery: delivery as LiveFacts['delivery'],
    rtspTransport: (rtspTransport ?? 'AUTO') as LiveFacts['rtspTransport'],
    maxWidthPixels,
    smoothingSeconds: smoothingSeconds ?? 0,
    trackMissSeconds: trackMissSeconds ?? 0,
    reconnects: reconnects ?? 0,
    retry: retry === null ? null : retryOf(retry),
  };
}

function retryOf(text: string): Retry {
  const { nextTryAt, ...rest } = JSON.parse(text) as Omit<Retry, 'nextTryAt'> & { readonly nextTryAt: string };
  return { ...rest, nextTryAt: new Date(nextTryAt) };
}

/** All but the secret address, which no record carries. */
export function streamRow(stream: StreamRecord): Prisma.StreamCreateInput {
  const { id, revision, ownerKeyId, kind, name, status, uploadId, retentionDays, createdAt, startedAt, endedAt } =
    stream;
  const { labels, sampling, media, live, error, warnings, analysis } = stream;
  return {
    id,
    revision,
    ownerKeyId,
    kind,
    name,
    status,
    uploadId,
    retentionDays,
    createdAt,
    startedAt,
    endedAt,
    labels: JSON.stringify(labels),
    sampling: JSON.stringify(sampling),
    media: media === null ? null : JSON.stringify(media),
    address: live?.address ?? null,
    delivery: live?.delivery ?? null,
    rtspTransport: live?.rtspTransport ?? null,
    maxWidthPixels: live?.maxWidthPixels ?? null,
    smoothingSeconds: live?.smoothingSeconds ?? null,
    trackMissSeconds: live?.trackMissSeconds ?? null,
    reconnects: live?.reconnects ?? null,
    retry: live?.retry == null ? null : JSON.stringify(live.retry),
    errorCode: error?.code ?? null,
    errorMessage: error?.message ?? null,
    warnings: JSON.stringify(warnings),
    analysis: analysisText(analysis),
  };
}

export function imageRow(image: ImageAnalysis): Image {
  return { ...image, faces: JSON.stringify(image.faces), analysis: analysisText(image.analysis) };
}

export function toImage(row: Image): ImageAnalysis {
  return { ...row, faces: JSON.parse(row.faces) as FaceEstimate[], analysis: analysisOf(row) };
}

export function keyRow({ scopes, limits, ...rest }: ApiKeyRecord): ApiKey {
  return { ...rest, scopes: JSON.stringify(scopes), limits: JSON.stringify(limits) };
}

export function toKey({ scopes, limits, ...rest }: ApiKey): ApiKeyRecord {
  return {
    ...rest,
    scopes: JSON.parse(scopes) as ApiKeyRecord['scopes'],
    limits: JSON.parse(limits) as ApiKeyRecord['limits'],
  };
}
