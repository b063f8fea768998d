import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { AnalysisFacts, FaceEstimate, FrameEstimate, StreamRecord } from '../../src/domain.ts';
import { openStore, type Store } from '../../src/store/index.ts';

export interface TestStore extends AsyncDisposable {
  readonly store: Store;
  readonly databaseUrl: string;
  readonly path: string;
}

/** A real database in a folder of its own. */
export async function testStore(): Promise<TestStore> {
  const folder = await mkdtemp(join(tmpdir(), 'circumplex-store-'));
  const path = join(folder, 'test.db');
  const databaseUrl = `file:${path}`;
  const store = await openStore({ databaseUrl });
  return {
    store,
    databaseUrl,
    path,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const ANALYSIS: AnalysisFacts = {
  modelName: 'circumplex-affect',
  modelVersion: '1.2.3',
  modelSha256: 'ab'.repeat(32),
  detectorName: 'blazeface',
  engine: 'onnxruntime',
  provider: 'cpu',
  minFaceness: 0.5,
  maxSidePixels: 1280,
  smoothingSeconds: 0.5,
  trackMissSeconds: 1,
};

export function streamRecord(id: string, change: Partial<StreamRecord> = {}): StreamRecord {
  return {
    id,
    revision: 0,
    ownerKeyId: null,
    kind: 'FILE',
    name: 'a video',
    labels: ['one', 'two'],
    status: 'RUNNING',
    sampling: { kind: 'RATE', framesPerSecond: 5 },
    media: null,
    uploadId: 'an-upload',
    live: null,
    retentionDays: null,
    analysis: null,
    error: null,
    warnings: [],
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    startedAt: null,
    endedAt: null,
    ...change,
  };
}

export function face(trackNumber: number, valence = 0.25, arousal = -0.5): FaceEstimate {
  const point = { x: 0.25, y: 0.5 };
  return {
    trackNumber,
    box: { x: 0.125, y: 0.25, width: 0.25, height: 0.5 },
    landmarks: {
      rightEye: point,
      leftEye: { x: 0.375, y: 0.5 },
      noseTip: point,
      mouthCentre: point,
      rightEar: trackNumber % 2 === 0 ? null : point,
      leftEar: trackNumber % 2 === 0 ? null : point,
    },
    score: 0.875,
    affect: { valence, arousal },
    smoothed: { valence: valence / 2, arousal: arousal / 2 },
    expressions: [0.5, 0.125, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625],
    uncertainty: 0.125,
  };
}

export function frame(streamId: string, sequence: number, faces: readonly FaceEstimate[] = [face(1)]): FrameEstimate {
  return {
    streamId,
    sequence,
    ptsSeconds: sequence / 8,
    capturedAt: sequence % 2 === 0 ? null : new Date(1_700_000_000_000 + sequence),
    width: 640,
    height: 360,
    faces,
    skippedBefore: 0,
    latencyMs: 12.5,
  };
}

const affect = fc.record({
  valence: fc.double({ min: -1, max: 1, noNaN: true }),
  arousal: fc.double({ min: -1, max: 1, noNaN: true }),
});

/** The frames of a stream: some empty, some with several tracks. */
export function randomFrames(streamId: string): fc.Arbitrary<FrameEstimate[]> {
  const faces = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 4 }), affect), {
    selector: ([trackNumber]) => trackNumber,
    maxLength: 4,
  });
  return fc.array(faces, { minLength: 1, maxLength: 40 }).map((frames) =>
    frames.map((all, sequence) =>
      frame(
        streamId,
        sequence,
        all.sort(([a], [b]) => a - b).map(([trackNumber, { valence, arousal }]) => face(trackNumber, valence, arousal)),
      ),
    ),
  );
}
