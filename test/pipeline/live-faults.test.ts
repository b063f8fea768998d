/** Live streams over networks and databases that are slow or fail on demand; sources, ffmpeg and SQLite are real. */
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../../src/config.ts';
import type { CropReading, FoundFace, FrameEstimate } from '../../src/domain.ts';
import { AppError } from '../../src/errors.ts';
import { Places } from '../../src/flow/index.ts';
import { LiveStreams } from '../../src/pipeline/live-streams.ts';
import { OpenJobs } from '../../src/pipeline/open-jobs.ts';
import type { LiveInput } from '../../src/pipeline/types.ts';
import { createHub, type Hub } from '../../src/publish/index.ts';
import type { Store } from '../../src/store/index.ts';
import { httpServer, motionJpeg, smallPhotograph } from '../faults/fixtures/sources.ts';
import { type MediaFolder, mediaFolder } from '../ingest/fixtures/media.ts';
import { type TestStore, testStore } from '../store/support.ts';
import { loopbackGate } from '../support/loopback-gate.ts';
import { allFrames, testConfig } from './support.ts';

/** The slow network takes so long for one frame: a source at 25 frames a second is far ahead of it, also on a busy machine. */
const SEARCH_MS = 500;

let opened: TestStore;
let source: Awaited<ReturnType<typeof httpServer>>;
let config: Config;
beforeAll(async () => {
  opened = await testStore();
  const jpeg = await smallPhotograph();
  source = await httpServer((_, response) => void motionJpeg(response, jpeg, 25));
  config = testConfig(opened.path, { RECONNECT_MAX_SECONDS: '0.1', CONNECT_SECONDS: '30', STALL_SECONDS: '10' });
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await opened[Symbol.asyncDispose]();
});

interface Fakes {
  readonly store?: Partial<Store>;
  readonly findFaces?: () => Promise<readonly FoundFace[]>;
}

interface Opened {
  readonly streams: LiveStreams;
  readonly open: OpenJobs;
  readonly hub: Hub;
  readonly store: Store;
}

function openStreams(fakes: Fakes): Opened {
  const store = Object.assign(Object.create(opened.store) as Store, fakes.store);
  const hub = createHub({
    bufferFrames: 16,
    replay: (id, after, limit) => opened.store.framesAfter(id, after, limit),
    streamNow: (id) => opened.store.stream(id),
  });
  const log = pino({ level: 'silent' });
  const open = new OpenJobs({ config, store, hub, uploads: { remove: async () => true }, log });
  const streams = new LiveStreams({
    config,
    store,
    hub,
    open,
    vision: {
      facts: { newTrackScore: 0.5 },
      findFaces: fakes.findFaces ?? (async () => []),
      readFaces: async (_key, crops) => crops.map(() => READING),
    },
    gate: loopbackGate(),
    places: new Places(10, () => new Error('full')),
    log,
  });
  return { streams, open, hub, store };
}

const slowly = async (): Promise<[]> => {
  await new Promise((resolve) => setTimeout(resolve, SEARCH_MS));
  return [];
};

const READING: CropReading = {
  faceness: 1,
  affect: { valence: 0, arousal: 0 },
  uncertainty: 0.1,
  expressions: [1, 0, 0, 0, 0, 0, 0, 0],
};

/** One face, which stays where it is. */
const oneFace = async (): Promise<readonly FoundFace[]> => {
  const point = { x: 0.5, y: 0.5 };
  const landmarks = {
    rightEye: point,
    leftEye: point,
    noseTip: point,
    mouthCentre: point,
    rightEar: null,
    leftEar: null,
  };
  const face = { box: { x: 0.4, y: 0.4, width: 0.2, height: 0.2 }, landmarks, score: 0.9 };
  return [{ face, crop: new Uint8Array(3) }];
};

/** Opens a stream and waits for a stored frame of it that is the last one wanted. */
async function play(fakes: Fakes, input: Partial<LiveInput>, isLast: (frame: FrameEstimate) => boolean) {
  const { streams, open, hub } = openStreams(fakes);
  await using _open = open;
  const { id } = await streams.open({ url: `${source.url}/video`, framesPerSecond: 25, ...input });
  for await (const { frame } of hub.frames(id, { afterSequence: -1 })) if (isLast(frame)) break;
  await open.stop(id);
  return { stream: (await opened.store.stream(id))!, frames: await allFrames(opened.store, id) };
}

const isNumber =
  (number: number) =>
  ({ sequence }: FrameEstimate): boolean =>
    sequence + 1 >= number;

describe('a live stream over a machine that is too slow for it', () => {
  it('with LATEST scores the newest frame and counts what it leaves out', async () => {
    let skipped = 0;
    const { frames } = await play({ findFaces: slowly }, {}, (frame) => {
      skipped += frame.skippedBefore;
      return skipped > 5 || isNumber(40)(frame);
    });
    expect(frames.map(({ sequence }) => sequence)).toEqual([...frames.keys()]);
    expect(frames.reduce((sum, { skippedBefore }) => sum + skippedBefore, 0)).toBeGreaterThan(5);
  });

  it('with EVERY leaves out none', async () => {
    const { frames } = await play({ findFaces: slowly }, { delivery: 'EVERY' }, isNumber(6));
    expect(frames.map(({ sequence }) => sequence)).toEqual([...frames.keys()]);
    expect(frames.every(({ skippedBefore }) => skippedBefore === 0)).toBe(true);
  });
});

describe('a recording as a live stream', () => {
  let media: MediaFolder;
  beforeAll(async () => {
    media = await mediaFolder();
    const x264 = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p -movflags +faststart';
    await media.ffmpeg(`-f lavfi -i testsrc2=s=64x48:r=1/60:d=600 ${x264} {slow.mp4}`);
  });
  afterAll(() => media[Symbol.asyncDispose]());

  async function playFile(bytes: Buffer) {
    await using server = await httpServer((_, response) => void response.end(bytes));
    const { streams, open, hub, store } = openStreams({ findFaces: oneFace });
    await using _open = open;
    const { id } = await streams.open({ url: `${server.url}/slow.mp4`, framesPerSecond: 5, delivery: 'EVERY' });
    for await (const _ of hub.statuses(id)) {
      // Until it ends.
    }
    return { stream: (await store.stream(id))!, frames: await allFrames(store, id) };
  }

  it('keeps a face its track from one frame to the next, however far apart they are', async () => {
    const { stream, frames } = await playFile(await readFile(media.file('slow.mp4')));
    expect(stream).toMatchObject({ status: 'COMPLETED', warnings: [] });
    expect(frames.map(({ faces }) => faces.map(({ trackNumber }) => trackNumber))).toEqual(
      Array.from({ length: 10 }, () => [1]),
    );
  });

  it('that is cut off is COMPLETED with a warning, and no frame of it is stored twice', async () => {
    const whole = await readFile(media.file('slow.mp4'));
    const { stream, frames } = await playFile(whole.subarray(0, Math.floor(whole.length * 0.7)));
    expect(stream).toMatchObject({ status: 'COMPLETED', error: null, warnings: [{ code: 'MEDIA_DAMAGED', count: 1 }] });
    expect(frames.length).toBeGreaterThan(2);
    expect(frames.length).toBeLessThan(10);
  });
});

describe('a live stream over a fault of the server', () => {
  it('that passes goes on after its last stored frame', async () => {
    let failures = 0;
    const { stream, frames } = await play(
      {
        store: {
          appendFrames(appended) {
            if (appended.some(({ sequence }) => sequence === 3) && failures < 2) {
              failures += 1;
              return Promise.reject(new AppError('STORE_FAILED', 'The disk is full.'));
            }
            return opened.store.appendFrames(appended);
          },
        },
      },
      { framesPerSecond: 10 },
      isNumber(8),
    );
    expect(failures).toBe(2);
    expect(stream.status).toBe('STOPPED');
    expect(frames.map(({ sequence }) => sequence)).toEqual([...frames.keys()]);
    const times = frames.map(({ ptsSeconds }) => ptsSeconds);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  });

  it('in storing its state, which passes, is no loss of its source', async () => {
    let failures = 0;
    const { stream } = await play(
      {
        store: {
          updateStream(id, change) {
            if (change.status === 'RUNNING' && failures < 1) {
              failures += 1;
              return Promise.reject(new AppError('STORE_FAILED', 'The disk is full.'));
            }
            return opened.store.updateStream(id, change);
          },
        },
      },
      { framesPerSecond: 10 },
      isNumber(3),
    );
    expect(failures).toBe(1);
    expect(stream).toMatchObject({ status: 'STOPPED', live: { reconnects: 0 } });
  });

  it('that costs a worker its life keeps the frame without faces, and says so', async () => {
    let calls = 0;
    const { stream, frames } = await play(
      {
        findFaces() {
          calls += 1;
          if (calls === 2) return Promise.reject(new AppError('WORKER_FAILED', 'A worker died.'));
          return Promise.resolve([]);
        },
      },
      { framesPerSecond: 10 },
      isNumber(5),
    );
    expect(frames.map(({ sequence }) => sequence)).toEqual([...frames.keys()]);
    expect(stream.warnings).toMatchObject([{ code: 'FRAMES_FAILED', count: 1 }]);
  });

  it('that does not pass is FAILED with its reason at once, however silent the source', async () => {
    const { streams, open, hub } = openStreams({
      findFaces: () => Promise.reject(new AppError('CONFIG_INVALID', 'The model is of another kind.')),
    });
    await using _open = open;
    const { id } = await streams.open({ url: `${source.url}/video`, framesPerSecond: 25 });
    let last = await opened.store.stream(id);
    for await (const stream of hub.statuses(id)) last = stream;
    expect(last).toMatchObject({ status: 'FAILED', error: { code: 'CONFIG_INVALID' } });
  });
});
