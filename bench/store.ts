/**
 * Rows a second into SQLite: in bulk, one frame at a time, and as several streams do it. One figure a line. Where a line
 * says face rows, the frames that are written with them are not counted.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FaceEstimate, FrameEstimate } from '../src/domain.ts';
import { openStore, type Store } from '../src/store/index.ts';

const FACES_A_FRAME = 2;
const BULK_FRAMES = 50_000;
const FRAMES_A_CALL = 600;
const SINGLE_FRAMES = 3000;
const STREAMS = 8;
const WRITES_IN_FLIGHT = 8;

function face(trackNumber: number): FaceEstimate {
  const random = Math.random;
  const point = () => ({ x: random(), y: random() });
  return {
    trackNumber,
    box: { x: random(), y: random(), width: random(), height: random() },
    landmarks: {
      rightEye: point(),
      leftEye: point(),
      noseTip: point(),
      mouthCentre: point(),
      rightEar: point(),
      leftEar: point(),
    },
    score: random(),
    affect: { valence: random() * 2 - 1, arousal: random() * 2 - 1 },
    smoothed: { valence: random() * 2 - 1, arousal: random() * 2 - 1 },
    expressions: Array.from({ length: 8 }, random),
    uncertainty: random(),
  };
}

function frames(streamId: string, from: number, count: number): FrameEstimate[] {
  return Array.from({ length: count }, (_, index) => ({
    streamId,
    sequence: from + index,
    ptsSeconds: (from + index) / 25,
    capturedAt: null,
    width: 1280,
    height: 720,
    faces: Array.from({ length: FACES_A_FRAME }, (__, number) => face(number + 1)),
    skippedBefore: 0,
    latencyMs: 20,
  }));
}

async function newStream(store: Store, id: string): Promise<void> {
  await store.createStream({
    id,
    revision: 0,
    ownerKeyId: null,
    kind: 'FILE',
    name: id,
    labels: [],
    status: 'RUNNING',
    sampling: { kind: 'EVERY_FRAME' },
    media: null,
    live: null,
    uploadId: null,
    retentionDays: null,
    analysis: null,
    error: null,
    warnings: [],
    createdAt: new Date(),
    startedAt: null,
    endedAt: null,
  });
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function print(name: string, value: number): void {
  console.log(`${name} ${value.toFixed(value < 10 ? 3 : 0)}`);
}

const folder = await mkdtemp(join(tmpdir(), 'circumplex-bench-'));
try {
  await using store = await openStore({ databaseUrl: `file:${join(folder, 'bench.db')}` });

  await newStream(store, 'bulk');
  const calls = Array.from({ length: Math.ceil(BULK_FRAMES / FRAMES_A_CALL) }, (_, call) =>
    frames('bulk', call * FRAMES_A_CALL, FRAMES_A_CALL),
  );
  const bulk = await secondsOf(async () => {
    for (const call of calls) await store.appendFrames(call);
  });
  print('store_bulk_rows_per_second', (calls.length * FRAMES_A_CALL * (1 + FACES_A_FRAME)) / bulk);
  print('store_bulk_face_rows_per_second', (calls.length * FRAMES_A_CALL * FACES_A_FRAME) / bulk);

  await newStream(store, 'single');
  const singles = frames('single', 0, SINGLE_FRAMES);
  const latenciesMs: number[] = [];
  const single = await secondsOf(async () => {
    for (const one of singles) latenciesMs.push((await secondsOf(() => store.appendFrames([one]))) * 1000);
  });
  latenciesMs.sort((a, b) => a - b);
  print('store_single_face_rows_per_second', (SINGLE_FRAMES * FACES_A_FRAME) / single);
  print('store_single_append_p50_ms', latenciesMs[Math.floor(SINGLE_FRAMES * 0.5)] ?? 0);
  print('store_single_append_p99_ms', latenciesMs[Math.floor(SINGLE_FRAMES * 0.99)] ?? 0);

  // As jobs write: each frame by a call of its own, a few in flight a stream, sharing commits.
  const perStream = SINGLE_FRAMES / 2;
  for (let index = 0; index < STREAMS; index++) await newStream(store, `shared-${index}`);
  const queues = Array.from({ length: STREAMS }, (_, index) => frames(`shared-${index}`, 0, perStream));
  const shared = await secondsOf(() =>
    Promise.all(
      queues.flatMap((queue) => {
        const source = queue.values();
        return Array.from({ length: WRITES_IN_FLIGHT }, async () => {
          for (const one of source) await store.appendFrames([one]);
        });
      }),
    ),
  );
  print('store_shared_face_rows_per_second', (STREAMS * perStream * FACES_A_FRAME) / shared);

  print(
    'store_page_of_200_frames_ms',
    (await secondsOf(() => store.frames('bulk', { first: 200, afterSequence: BULK_FRAMES / 2 }))) * 1000,
  );
  print(
    'store_timeline_100000_faces_ms',
    (await secondsOf(() => store.timeline('bulk', { bucketSeconds: 10 }))) * 1000,
  );
  print(
    'store_summary_100000_faces_ms',
    (await secondsOf(() => store.summary('bulk', { neutralRadius: 0.15 }))) * 1000,
  );
  print('store_delete_100000_faces_ms', (await secondsOf(() => store.deleteStream('bulk'))) * 1000);
} finally {
  await rm(folder, { recursive: true, force: true });
}
