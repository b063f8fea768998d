/** The schema's objects, from what stands behind them. */
import { EXPRESSIONS, type Fault, LANDMARK_NAMES, type LandmarkName } from '../../domain.ts';
import { ERROR_KINDS } from '../../errors.ts';
import type { LandmarkName as LandmarkEnum, Problem, Resolvers } from '../../generated/graphql.ts';
import { angleDegrees, intensity, quadrant } from '../../pipeline/index.ts';
import { decodeFrameCursor, decodeTrackCursor, encodeFrameCursor, encodeTrackCursor } from '../../store/index.ts';
import { connection } from '../connection.ts';
import { knownCode } from '../errors.ts';
import { trackId, trackNumberOf } from '../models.ts';

const LANDMARKS: Readonly<Record<LandmarkName, LandmarkEnum>> = {
  rightEye: 'RIGHT_EYE',
  leftEye: 'LEFT_EYE',
  noseTip: 'NOSE_TIP',
  mouthCentre: 'MOUTH_CENTRE',
  rightEar: 'RIGHT_EAR',
  leftEar: 'LEFT_EAR',
};

interface Stretch {
  readonly fromSeconds?: number | null;
  readonly toSeconds?: number | null;
  readonly trackId?: string | null;
}

function problemOf(fault: Fault | null): Problem | null {
  if (fault === null) return null;
  const code = knownCode(fault.code) ?? 'INTERNAL';
  return { code, message: fault.message, retryable: ERROR_KINDS[code].retryable };
}

/** The arguments that several fields of a stream share, as the store wants them. */
function stretch(streamId: string, { fromSeconds, toSeconds, trackId: id }: Stretch) {
  return {
    ...(typeof fromSeconds === 'number' ? { fromSeconds } : {}),
    ...(typeof toSeconds === 'number' ? { toSeconds } : {}),
    ...(typeof id === 'string' ? { trackNumber: trackNumberOf(streamId, id) } : {}),
  };
}

export const objects: Pick<
  Resolvers,
  'Stream' | 'FrameEstimate' | 'FaceEstimate' | 'Affect' | 'ImageAnalysis' | 'Track' | 'Engine'
> = {
  Engine: { name: ({ engine }) => engine },

  Stream: {
    source: ({ kind }) => kind,
    framesPerSecond: ({ sampling }) => (sampling.kind === 'RATE' ? sampling.framesPerSecond : null),
    error: ({ error }) => problemOf(error),
    address: ({ live }) => live?.address ?? null,
    delivery: ({ kind, live }) => (kind === 'LIVE' ? (live?.delivery ?? null) : null),
    rtspTransport: ({ kind, live }) => (kind === 'LIVE' ? (live?.rtspTransport ?? null) : null),
    connection({ kind, live }) {
      if (kind !== 'LIVE' || live === null) return null;
      const { retry, reconnects } = live;
      return {
        attempt: retry?.attempt ?? 0,
        nextTryAt: retry?.nextTryAt ?? null,
        problem: problemOf(retry?.problem ?? null),
        reconnects,
      };
    },
    progress: (stream, _, { pipeline }) => pipeline.progress(stream),
    async frames(stream, { first, after, ...rest }, { store }) {
      const { id } = stream;
      const afterSequence = typeof after === 'string' ? { afterSequence: decodeFrameCursor(id, after) } : {};
      const page = await store.frames(stream, { ...stretch(id, rest), first: first ?? 100, ...afterSequence });
      const items = page.items.map((frame) => ({ ...frame, droppedBefore: 0 }));
      return connection({ ...page, items }, ({ sequence }) => encodeFrameCursor(id, sequence));
    },
    async tracks(stream, { first, after }, { store }) {
      const { id } = stream;
      const afterTrack = typeof after === 'string' ? { afterTrackNumber: decodeTrackCursor(id, after) } : {};
      const page = await store.tracks(stream, { first: first ?? 100, ...afterTrack });
      const items = page.items.map((track) => ({ ...track, streamId: id }));
      return connection({ ...page, items }, ({ trackNumber }) => encodeTrackCursor(id, trackNumber));
    },
    timeline: (stream, { bucketSeconds, ...rest }, { store }) =>
      store.timeline(stream, { ...stretch(stream.id, rest), bucketSeconds }),
    summary: (stream, rest, { store, config }) =>
      store.summary(stream, { ...stretch(stream.id, rest), neutralRadius: config.neutralRadius }),
  },

  FrameEstimate: {
    cursor: ({ streamId, sequence }) => encodeFrameCursor(streamId, sequence),
    faces: ({ streamId, faces }) => faces.map((face) => ({ ...face, ownerId: streamId })),
  },

  ImageAnalysis: { faces: ({ id, faces }) => faces.map((face) => ({ ...face, ownerId: id })) },

  FaceEstimate: {
    track: ({ ownerId, trackNumber }) => ({ id: trackId(ownerId, trackNumber), number: trackNumber }),
    landmarks: ({ landmarks }) =>
      LANDMARK_NAMES.flatMap((name) => {
        const point = landmarks[name];
        return point === null ? [] : [{ name: LANDMARKS[name], ...point }];
      }),
    expressions: ({ expressions }) =>
      EXPRESSIONS.map((expression, index) => ({ expression, probability: expressions[index] ?? 0 })),
  },

  Affect: {
    intensity: (affect) => intensity(affect),
    angleDegrees: (affect) => angleDegrees(affect),
    quadrant: (affect, _, { config }) => quadrant(affect, config.neutralRadius),
  },

  Track: {
    id: ({ streamId, trackNumber }) => trackId(streamId, trackNumber),
    number: ({ trackNumber }) => trackNumber,
    meanAffect: ({ meanValence, meanArousal }) => ({ valence: meanValence, arousal: meanArousal }),
  },
};
