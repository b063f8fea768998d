import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Frame, FrameEstimate } from '../../src/domain.ts';
import { AppError } from '../../src/errors.ts';
import { LiveProgress } from '../../src/pipeline/progress.ts';
import { readPast } from '../../src/pipeline/resume.ts';
import { type ScoringParts, scoreStream } from '../../src/pipeline/score-stream.ts';
import { createHub } from '../../src/publish/index.ts';
import type { Store } from '../../src/store/index.ts';
import { ANALYSIS, streamRecord, testStore } from '../store/support.ts';

const FRAMES = 12;

async function* frames(): AsyncGenerator<Frame> {
  for (let sequence = 0; sequence < FRAMES; sequence++) {
    yield {
      sequence,
      ptsSeconds: sequence / 10,
      capturedAt: null,
      image: { width: 4, height: 4, rgb: new Uint8Array(48).fill(sequence) },
      sourceWidth: 640,
      sourceHeight: 360,
      skippedBefore: 0,
    };
  }
}

/** Scores twelve frames without faces into a real database; tells in which order they were handed to it. */
async function scoreInto(
  store: Store,
  changes: { readonly store?: Partial<Store>; readonly failing?: number } & Pick<
    ScoringParts,
    'allowance' | 'analysis'
  >,
): Promise<number[]> {
  const written: number[] = [];
  const recording: Store = Object.assign(Object.create(store) as Store, {
    ...changes.store,
    appendFrames: (estimates: readonly FrameEstimate[]) => {
      written.push(...estimates.map(({ sequence }) => sequence));
      return store.appendFrames(estimates);
    },
  });
  const stream = (await store.stream('a')) ?? (await store.createStream(streamRecord('a')));
  const past = await readPast(store, stream, 1);
  await using hub = createHub({
    bufferFrames: 100,
    replay: (id, after, limit) => store.framesAfter(id, after, limit),
    streamNow: (id) => store.stream(id),
  });
  const parts: ScoringParts = {
    config: { minFaceness: 0.5 },
    store: recording,
    hub,
    vision: {
      facts: { newTrackScore: 0.5 },
      async findFaces(_key, image) {
        if (image.rgb[0] === changes.failing) throw new AppError('WORKER_FAILED', 'gone');
        return [];
      },
      readFaces: async () => [],
    },
    ...(changes.allowance === undefined ? {} : { allowance: changes.allowance }),
    ...(changes.analysis === undefined ? {} : { analysis: changes.analysis }),
  };
  await scoreStream(parts, {
    stream,
    past,
    progress: new LiveProgress(null, past),
    frames,
    smoothingSeconds: 0.5,
    trackMissSeconds: 1,
    framesInFlight: 4,
    abort: new AbortController().signal,
    warned: () => undefined,
  }).catch((thrown: unknown) => {
    if (!(thrown instanceof AppError)) throw thrown;
  });
  return written;
}

const IN_ORDER = Array.from({ length: FRAMES }, (_, sequence) => sequence);

describe('the writes of a stream', () => {
  it('stay in order where a later frame would get its room sooner', async () => {
    await using opened = await testStore();
    let asked = 0;
    const take = async (): Promise<void> => {
      await sleep(10 * (FRAMES - asked++));
    };
    expect(await scoreInto(opened.store, { allowance: { take } })).toEqual(IN_ORDER);
  });

  it('stay in order behind a frame whose failure is noted first, and the note is kept', async () => {
    await using opened = await testStore();
    const { store } = opened;
    const updateStream: Store['updateStream'] = async (...words) => {
      await sleep(50);
      return store.updateStream(...words);
    };
    expect(await scoreInto(store, { failing: 3, store: { updateStream } })).toEqual(IN_ORDER);
    const stream = await store.stream('a');
    expect(stream?.warnings).toMatchObject([{ code: 'FRAMES_FAILED', count: 1 }]);
  });

  it('end before the frame that finds no room, and none is stored behind it', async () => {
    await using opened = await testStore();
    let asked = 0;
    const take = async (): Promise<void> => {
      const mine = asked++;
      await sleep(mine === 5 ? 50 : 1);
      if (mine === 5) throw new AppError('LIMIT_EXCEEDED', 'no room');
    };
    expect(await scoreInto(opened.store, { allowance: { take } })).toEqual(IN_ORDER.slice(0, 5));
  });
});

describe('what made the numbers of a stream', () => {
  const { smoothingSeconds: _, trackMissSeconds: __, ...analysis } = ANALYSIS;

  it('is kept when it first runs, and a later run by the same says nothing', async () => {
    await using opened = await testStore();
    await scoreInto(opened.store, { analysis });
    expect((await opened.store.stream('a'))?.analysis).toEqual(ANALYSIS);
    await scoreInto(opened.store, { analysis });
    expect(await opened.store.stream('a')).toMatchObject({ analysis: ANALYSIS, warnings: [] });
  });

  it('stays what it was, with a warning, when another model goes on', async () => {
    await using opened = await testStore();
    await scoreInto(opened.store, { analysis });
    await scoreInto(opened.store, { analysis: { ...analysis, modelSha256: 'cd'.repeat(32) } });
    const stream = await opened.store.stream('a');
    expect(stream?.analysis).toEqual(ANALYSIS);
    expect(stream?.warnings).toMatchObject([{ code: 'ANALYSIS_CHANGED', count: 1 }]);
  });

  it('is not claimed for frames that were there before it was kept', async () => {
    await using opened = await testStore();
    await scoreInto(opened.store, {});
    await scoreInto(opened.store, { analysis });
    expect(await opened.store.stream('a')).toMatchObject({ analysis: null, warnings: [] });
  });
});
