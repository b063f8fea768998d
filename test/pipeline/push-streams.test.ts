import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPipeline } from '../../src/start-pipeline.ts';
import { allFrames, ended, openPipeline, photograph, temporaryFolder } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: RunningPipeline;
let jpeg: Uint8Array;

beforeAll(async () => {
  folder = await temporaryFolder();
  jpeg = await sharp(await readFile(photograph(3)))
    .resize({ width: 640 })
    .jpeg()
    .toBuffer();
  running = await openPipeline(join(folder.path, 'data'));
});

afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function openPush(input: Record<string, number> = {}): Promise<string> {
  return (await running.pipeline.openPush({ name: 'a browser', ...input })).id;
}

describe('a pushed stream', () => {
  it('answers each picture with its estimate, which is stored and published by then', async () => {
    const { pipeline, store } = running;
    const stream = await pipeline.openPush({ name: ' a browser ', labels: ['desk'] });
    expect(stream).toMatchObject({
      kind: 'PUSH',
      status: 'RUNNING',
      name: 'a browser',
      labels: ['desk'],
      live: { address: null },
    });
    const subscribed = pipeline.subscribeFrames(stream.id, { afterSequence: -1 });
    const png = await sharp(jpeg).png().toBuffer();
    const webp = await sharp(jpeg).webp().toBuffer();
    for (const [sequence, bytes] of [jpeg, png, webp].entries()) {
      const capturedAt = new Date(1_700_000_000_000 + sequence * 200);
      const answer = await pipeline.pushFrame(stream.id, { bytes, capturedAt });
      expect(answer).toMatchObject({ sequence, capturedAt, width: 640, skippedBefore: 0 });
      expect(answer.faces.length).toBeGreaterThanOrEqual(2);
      expect(await allFrames(store, stream.id)).toHaveLength(sequence + 1);
      expect((await subscribed.next()).value?.frame).toEqual(answer);
    }
    const frames = await allFrames(store, stream.id);
    // The client's clock, from wherever it counts: one track a face through three formats, 0.2 s apart.
    expect(frames[2]!.ptsSeconds - frames[0]!.ptsSeconds).toBeCloseTo(0.4, 6);
    const tracks = frames.map(({ faces }) => faces.map(({ trackNumber }) => trackNumber));
    expect(tracks[1]).toEqual(tracks[0]);
    expect(tracks[2]).toEqual(tracks[0]);
    expect(await pipeline.stopStream(stream.id)).toMatchObject({ status: 'STOPPED' });
    await expect(pipeline.pushFrame(stream.id, { bytes: jpeg })).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });

  it('scores one picture at a time, lets one wait, and refuses more', async () => {
    const { pipeline, store } = running;
    const id = await openPush();
    const pushes = [1, 2, 3, 4].map(() => pipeline.pushFrame(id, { bytes: jpeg }));
    const outcomes = await Promise.allSettled(pushes);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect(outcomes[2]).toMatchObject({ reason: { code: 'OVERLOADED' } });
    expect((await allFrames(store, id)).map(({ sequence }) => sequence)).toEqual([0, 1]);
    await pipeline.deleteStream(id);
  });

  it('refuses what is no picture, is too old, or has no stream, and goes on with the next', async () => {
    const { pipeline, store } = running;
    const id = await openPush();
    const at = (ms: number) => new Date(1_700_000_000_000 + ms);
    await pipeline.pushFrame(id, { bytes: jpeg, capturedAt: at(0) });
    const bad = pipeline.pushFrame(id, { bytes: new TextEncoder().encode('no picture') });
    await expect(bad).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED' });
    const cut = pipeline.pushFrame(id, { bytes: jpeg.subarray(0, jpeg.length / 2) });
    await expect(cut).rejects.toMatchObject({ code: 'MEDIA_DAMAGED' });
    for (const ms of [0, -100, -5000]) {
      const old = pipeline.pushFrame(id, { bytes: jpeg, capturedAt: at(ms) });
      await expect(old).rejects.toMatchObject({ code: 'BAD_INPUT' });
    }
    await expect(pipeline.pushFrame('nobody', { bytes: jpeg })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await pipeline.pushFrame(id, { bytes: jpeg, capturedAt: at(500) })).toMatchObject({ sequence: 1 });
    expect(await allFrames(store, id)).toHaveLength(2);
    await pipeline.deleteStream(id);
  });

  it('lies as far apart as its pictures were taken, however fast they are sent, and follows its faces', async () => {
    const { pipeline } = running;
    const id = await openPush();
    const answers = [];
    for (const minute of [0, 1, 2, 3]) {
      const capturedAt = new Date(1_700_000_000_000 + minute * 60_000);
      answers.push(await pipeline.pushFrame(id, { bytes: jpeg, capturedAt }));
    }
    const [first, ...later] = answers;
    expect(later.map(({ ptsSeconds }) => Number((ptsSeconds - first!.ptsSeconds).toFixed(6)))).toEqual([60, 120, 180]);
    const numbers = ({ faces }: typeof first & object) => faces.map(({ trackNumber }) => trackNumber);
    for (const answer of later) expect(numbers(answer)).toEqual(numbers(first!));
    await pipeline.deleteStream(id);
  });

  it('is scaled to the width that was asked, and says the size of the picture as it came', async () => {
    const { pipeline } = running;
    const id = await openPush({ maxWidthPixels: 320 });
    expect(await pipeline.pushFrame(id, { bytes: jpeg })).toMatchObject({ width: 640 });
    await pipeline.deleteStream(id);
  });

  it('answers who waits when it is stopped, and leaves nobody waiting', async () => {
    const { pipeline } = running;
    const id = await openPush();
    const pushes = [1, 2].map(() => pipeline.pushFrame(id, { bytes: jpeg }));
    const stopped = pipeline.stopStream(id);
    const outcomes = await Promise.allSettled(pushes);
    expect(await stopped).toMatchObject({ status: 'STOPPED' });
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ABORTED' });
    }
  });

  it('takes pictures again after a restart, with its sequence, its tracks and its time going on', async () => {
    const dataDir = join(folder.path, 'restart');
    let id: string;
    let first: Awaited<ReturnType<typeof running.pipeline.pushFrame>>;
    {
      await using one = await openPipeline(dataDir);
      ({ id } = await one.pipeline.openPush({ name: 'a browser', trackMissSeconds: 60 }));
      first = await one.pipeline.pushFrame(id, { bytes: jpeg });
    }
    await using two = await openPipeline(dataDir);
    const second = await two.pipeline.pushFrame(id, { bytes: jpeg });
    expect(second.sequence).toBe(1);
    expect(second.ptsSeconds).toBeGreaterThan(first.ptsSeconds);
    const numbers = ({ faces }: typeof first) => faces.map(({ trackNumber }) => trackNumber);
    expect(numbers(second)).toEqual(numbers(first));
  });

  it('is COMPLETED when nothing has come for long enough', async () => {
    await using other = await openPipeline(join(folder.path, 'idle'), { PUSH_IDLE_SECONDS: '2' });
    const { id } = await other.pipeline.openPush({ name: 'a browser' });
    await other.pipeline.pushFrame(id, { bytes: jpeg });
    expect(await ended(other.pipeline, id)).toMatchObject({ status: 'COMPLETED', error: null });
    expect(other.pipeline.statistics().liveStreams).toBe(0);
  });
});
