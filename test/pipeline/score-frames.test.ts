import { describe, expect, it } from 'vitest';
import type { CropReading, FoundFace, Frame, RgbImage } from '../../src/domain.ts';
import { AppError } from '../../src/errors.ts';
import { createSmoother } from '../../src/estimates/index.ts';
import { createTracker } from '../../src/faces/index.ts';
import { type ScoredFrame, scoreFrames, type Vision } from '../../src/pipeline/score-frames.ts';

const SIDE = 4;

function frame(sequence: number): Frame {
  const rgb = new Uint8Array(SIDE * SIDE * 3).fill(sequence);
  return {
    sequence,
    ptsSeconds: sequence / 10,
    capturedAt: null,
    image: { width: SIDE, height: SIDE, rgb },
    sourceWidth: 640,
    sourceHeight: 360,
    skippedBefore: 0,
  };
}

async function* frames(count: number, pulled: number[] = []): AsyncGenerator<Frame> {
  for (let sequence = 0; sequence < count; sequence++) {
    pulled.push(sequence);
    yield frame(sequence);
  }
}

function foundFace(x: number, crop: Uint8Array): FoundFace {
  const at = (dx: number, dy: number) => ({ x: x + dx, y: 0.3 + dy });
  const landmarks = {
    rightEye: at(0.05, 0.05),
    leftEye: at(0.15, 0.05),
    noseTip: at(0.1, 0.1),
    mouthCentre: at(0.1, 0.15),
  };
  return {
    face: {
      box: { x, y: 0.3, width: 0.2, height: 0.2 },
      landmarks: { ...landmarks, rightEar: null, leftEar: null },
      score: 0.9,
    },
    crop,
  };
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** Two faces at fixed places; the reading's valence is the frame's number over 100. Later work is done sooner. */
function vision(overrides: Partial<Vision> = {}): Vision {
  return {
    async findFaces(_key: string, image: RgbImage) {
      const number = image.rgb[0]!;
      await turns(5 - (number % 5));
      return [foundFace(0.1, Uint8Array.of(number)), foundFace(0.6, Uint8Array.of(number))];
    },
    async readFaces(_key: string, crops: readonly Uint8Array[]) {
      await turns(3 - (crops[0]![0]! % 3));
      return crops.map(
        ([number]): CropReading => ({
          affect: { valence: number! / 100, arousal: 0 },
          expressions: [1, 0, 0, 0, 0, 0, 0, 0],
          uncertainty: 0.1,
          faceness: 1,
        }),
      );
    },
    ...overrides,
  };
}

function score(
  source: AsyncIterable<Frame>,
  parts: Vision,
  options: { signal?: AbortSignal; framesInFlight?: number } = {},
) {
  return scoreFrames(source, {
    streamId: 's',
    vision: parts,
    tracker: createTracker({ newTrackScore: 0.5, maxMissSeconds: 1 }),
    smoother: createSmoother({ timeConstantSeconds: 0 }),
    minFaceness: 0.5,
    framesInFlight: options.framesInFlight ?? 4,
    signal: options.signal ?? new AbortController().signal,
  });
}

async function collect(scored: AsyncIterable<ScoredFrame>): Promise<ScoredFrame[]> {
  const all: ScoredFrame[] = [];
  for await (const one of scored) all.push(one);
  return all;
}

describe('scoreFrames', () => {
  it('gives one estimate for each frame, in order, each face with its own reading and track', async () => {
    const scored = await collect(score(frames(20), vision()));
    expect(scored.map(({ estimate }) => estimate.sequence)).toEqual([...Array(20).keys()]);
    for (const { estimate, failure } of scored) {
      expect(failure).toBeNull();
      expect(estimate).toMatchObject({ streamId: 's', width: 640, height: 360, ptsSeconds: estimate.sequence / 10 });
      expect(estimate.faces.map((face) => face.trackNumber)).toEqual([1, 2]);
      expect(estimate.faces.map((face) => face.box.x)).toEqual([0.1, 0.6]);
      expect(estimate.faces.map((face) => face.affect.valence)).toEqual(Array(2).fill(estimate.sequence / 100));
      expect(estimate.latencyMs).toBeGreaterThan(0);
    }
  });

  it('searches later frames while an earlier one is being read', async () => {
    const events: string[] = [];
    let letRead = (): void => undefined;
    const reading = new Promise<void>((resolve) => {
      letRead = resolve;
    });
    const plain = vision();
    const scored = score(
      frames(6),
      vision({
        findFaces: async (key, image) => {
          events.push(`find ${image.rgb[0]}`);
          return plain.findFaces(key, image);
        },
        readFaces: async (key, crops) => {
          events.push(`read ${crops[0]![0]}`);
          await reading;
          return plain.readFaces(key, crops);
        },
      }),
    );
    const first = scored.next();
    await turns(40);
    expect(events).toContain('read 0');
    expect(events).toContain('find 5');
    letRead();
    await first;
    await scored.return();
  });

  it('pulls no more frames than it may hold when nobody takes its estimates', async () => {
    const pulled: number[] = [];
    const scored = score(frames(100, pulled), vision(), { framesInFlight: 2 });
    await scored.next();
    await turns(100);
    expect(pulled.length).toBeLessThanOrEqual(8);
    await scored.return();
  });

  it('keeps a frame that a worker failed over, without faces and with the failure, and goes on', async () => {
    const failed = new AppError('WORKER_FAILED', 'died twice');
    const plain = vision();
    const parts = vision({
      findFaces: async (key, image) => {
        if (image.rgb[0] === 2) throw failed;
        return plain.findFaces(key, image);
      },
      readFaces: async (key, crops) => {
        if (crops[0]![0] === 4) throw failed;
        return plain.readFaces(key, crops);
      },
    });
    const scored = await collect(score(frames(7), parts));
    expect(scored.map(({ estimate }) => estimate.faces.length)).toEqual([2, 2, 0, 2, 0, 2, 2]);
    expect(scored.map(({ failure }) => failure)).toEqual([null, null, failed, null, failed, null, null]);
    expect(scored[6]!.estimate.faces.map((face) => face.trackNumber)).toEqual([1, 2]);
  });

  it('takes what the network calls no face for none, and spends no track number on it', async () => {
    const plain = vision();
    const parts = vision({
      // The left one is a face from the third frame on; the right one always is, but barely.
      readFaces: async (key, crops) => {
        const [left, right] = await plain.readFaces(key, crops);
        return [
          { ...left!, faceness: crops[0]![0]! < 2 ? 0.49 : 0.9 },
          { ...right!, faceness: 0.5 },
        ];
      },
    });
    const scored = await collect(score(frames(4), parts));
    expect(scored.map(({ estimate }) => estimate.faces.map(({ trackNumber, box }) => [trackNumber, box.x]))).toEqual([
      [[1, 0.6]],
      [[1, 0.6]],
      [
        [1, 0.6],
        [2, 0.1],
      ],
      [
        [1, 0.6],
        [2, 0.1],
      ],
    ]);
    // What was only needed to judge is neither stored nor published.
    expect(scored[3]!.estimate.faces[0]).not.toHaveProperty('faceness');
  });

  it('reads nothing for a frame without a face', async () => {
    const parts = vision({
      findFaces: async () => [],
      readFaces: async () => {
        throw new Error('nothing to read');
      },
    });
    const scored = await collect(score(frames(3), parts));
    expect(scored.map(({ estimate }) => estimate.faces)).toEqual([[], [], []]);
  });

  it('ends with every other error, after the frames before it, and returns the frames', async () => {
    let returned = false;
    async function* source(): AsyncGenerator<Frame> {
      try {
        yield* frames(100);
      } finally {
        returned = true;
      }
    }
    const plain = vision();
    const parts = vision({
      findFaces: async (key, image) => {
        if (image.rgb[0] === 3) throw new AppError('ENGINE_UNAVAILABLE', 'no worker starts');
        return plain.findFaces(key, image);
      },
    });
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const { estimate } of score(source(), parts)) seen.push(estimate.sequence);
      })(),
    ).rejects.toThrow('no worker starts');
    expect(seen).toEqual([0, 1, 2]);
    expect(returned).toBe(true);
  });

  it('hands its signal to the workers', async () => {
    const controller = new AbortController();
    const parts = vision({
      findFaces: (_key, _image, signal) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error))),
    });
    const scored = collect(score(frames(3), parts, { signal: controller.signal }));
    await turns(5);
    controller.abort();
    await expect(scored).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
