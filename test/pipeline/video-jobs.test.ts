import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FrameEstimate } from '../../src/domain.ts';
import type { RunningPipeline } from '../../src/start-pipeline.ts';
import { allFrames, ended, ffmpeg, framesStored, makeVideo, openPipeline, submit, temporaryFolder } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: RunningPipeline;
let video: string;
let longVideo: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  video = await makeVideo(join(folder.path, 'short.mp4'), { frames: 40 });
  longVideo = await makeVideo(join(folder.path, 'long.mp4'), { frames: 1500 });
  running = await openPipeline(join(folder.path, 'data'), { CONCURRENT_JOBS: '1', MAX_QUEUED_JOBS: '2' });
});

afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

describe('a video job', () => {
  it('stores and publishes every frame in order, and tells its status and progress on the way', async () => {
    const { pipeline, store } = running;
    const stream = await submit(pipeline, video);
    expect(stream).toMatchObject({ status: 'QUEUED', name: 'a video', media: { width: 640, height: 360 } });

    const published: FrameEstimate[] = [];
    const subscribed = (async () => {
      for await (const { frame } of pipeline.subscribeFrames(stream.id, { afterSequence: -1 })) published.push(frame);
    })();
    const statuses: string[] = [];
    for await (const { status } of pipeline.subscribeStatus(stream.id)) statuses.push(status);
    await subscribed;

    const record = (await store.stream(stream.id))!;
    expect(record).toMatchObject({ status: 'COMPLETED', error: null, warnings: [], uploadId: null });
    expect(statuses.at(-1)).toBe('COMPLETED');
    const stored = await allFrames(store, stream.id);
    expect(stored.map((frame) => frame.sequence)).toEqual([...Array(40).keys()]);
    expect(stored.map((frame) => frame.ptsSeconds)).toEqual(stored.map((_, index) => expect.closeTo(index / 25, 6)));
    expect(published).toEqual(stored);
    expect(stored.every((frame) => frame.faces.length >= 2)).toBe(true);
    expect(await pipeline.progress(stream.id)).toMatchObject({ framesDone: 40, share: 1, speed: null });
    // The file has gone with the job: nothing is left that a second job could claim.
    await expect(
      pipeline.analyzeVideo({ uploadId: stream.uploadId!, name: 'again', sampling: stream.sampling }),
    ).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('looks at real frames of the asked rate only', async () => {
    const { pipeline, store } = running;
    const stream = await submit(pipeline, video, { framesPerSecond: 5 });
    expect(await ended(pipeline, stream.id)).toMatchObject({ status: 'COMPLETED' });
    const stored = await allFrames(store, stream.id);
    expect(stored.map((frame) => frame.sequence)).toEqual([...Array(8).keys()]);
    for (const { ptsSeconds } of stored) expect(ptsSeconds * 25).toBeCloseTo(Math.round(ptsSeconds * 25), 4);
  });

  it('stops in the middle, keeps what it has, and can be stopped again without effect', async () => {
    const { pipeline, store } = running;
    const stream = await submit(pipeline, longVideo);
    await framesStored(pipeline, stream.id, 20);
    const live = await pipeline.progress(stream.id);
    expect(live.speed).toBeGreaterThan(0);
    expect(live.etaSeconds).toBeGreaterThan(0);
    const stopped = await pipeline.stopStream(stream.id);
    expect(stopped).toMatchObject({ status: 'STOPPED', uploadId: null, error: null });
    const stored = await allFrames(store, stream.id);
    expect(stored.length).toBeGreaterThanOrEqual(20);
    expect(stored.length).toBeLessThan(1500);
    expect(stored.map((frame) => frame.sequence)).toEqual([...stored.keys()]);
    expect(await pipeline.stopStream(stream.id)).toEqual(stopped);
    expect(await allFrames(store, stream.id)).toHaveLength(stored.length);
  });

  it('is deleted in the middle without a trace, and its subscribers end', async () => {
    const { pipeline, store } = running;
    const stream = await submit(pipeline, longVideo);
    const subscribed = (async () => {
      let count = 0;
      for await (const _ of pipeline.subscribeFrames(stream.id, { afterSequence: -1 })) count += 1;
      return count;
    })();
    await framesStored(pipeline, stream.id, 10);
    const deleted = await pipeline.deleteStream(stream.id);
    expect(deleted.frames).toBeGreaterThanOrEqual(10);
    expect(deleted.faces).toBeGreaterThan(0);
    expect(deleted.tracks).toBeGreaterThan(0);
    expect(await store.stream(stream.id)).toBeNull();
    expect(await allFrames(store, stream.id)).toEqual([]);
    expect(await subscribed).toBeGreaterThan(0);
    await expect(pipeline.progress(stream.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(pipeline.deleteStream(stream.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('waits for its turn, is refused beyond the bound, and may be stopped or deleted while it waits', async () => {
    const { pipeline, store } = running;
    const first = await submit(pipeline, longVideo);
    await framesStored(pipeline, first.id, 1);
    const second = await submit(pipeline, video);
    const third = await submit(pipeline, video);
    await expect(submit(pipeline, video)).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(pipeline.statistics()).toMatchObject({ jobsRunning: 1, jobsQueued: 2, jobsRefused: 1 });
    expect(await pipeline.progress(second.id)).toMatchObject({ framesDone: 0, speed: null });

    expect(await pipeline.stopStream(second.id)).toMatchObject({ status: 'STOPPED', startedAt: null });
    expect(await pipeline.deleteStream(third.id)).toEqual({ frames: 0, faces: 0, tracks: 0 });
    expect(await store.stream(third.id)).toBeNull();
    await pipeline.stopStream(first.id);
    expect(pipeline.statistics()).toMatchObject({ jobsRunning: 0, jobsQueued: 0 });
  });

  /** The long video with twenty thousand bytes overwritten. */
  async function damagedVideo(): Promise<string> {
    const path = join(folder.path, 'damaged.mp4');
    const bytes = await readFile(longVideo);
    const start = Math.floor(bytes.length / 4);
    bytes.fill(0x55, start, start + 20_000);
    await writeFile(path, bytes);
    return path;
  }

  it('keeps what was damaged before a stop of the server, which the next start will not see again', async () => {
    const data = join(folder.path, 'damaged');
    const path = await damagedVideo();
    let id: string;
    {
      await using first = await openPipeline(data);
      ({ id } = await submit(first.pipeline, path, { framesPerSecond: 1 }));
      await framesStored(first.pipeline, id, 25);
    }
    await using second = await openPipeline(data);
    const record = await ended(second.pipeline, id);
    expect(record.status).toBe('COMPLETED');
    expect(record.warnings.map(({ code }) => code)).toContain('MEDIA_DAMAGED');
  });

  it('keeps what was damaged when it is stopped', async () => {
    const { pipeline } = running;
    const stream = await submit(pipeline, await damagedVideo(), { framesPerSecond: 1 });
    await framesStored(pipeline, stream.id, 25);
    const { warnings } = await pipeline.stopStream(stream.id);
    expect(warnings.map(({ code }) => code)).toContain('MEDIA_DAMAGED');
  });

  it('is held back, not refused, however many frames of however many videos the settings allow at once', async () => {
    // More than the queue of pictures and its usual waiting room hold: 8 x 64 against 64 + 256.
    await using wide = await openPipeline(join(folder.path, 'wide'), { CONCURRENT_JOBS: '8', FRAMES_IN_FLIGHT: '64' });
    const path = join(folder.path, 'wall.mp4');
    await ffmpeg('-f', 'lavfi', '-i', 'color=gray:size=160x90:rate=25', '-frames:v', '70', path);
    const streams = await Promise.all(Array.from({ length: 8 }, () => submit(wide.pipeline, path)));
    const records = await Promise.all(streams.map(({ id }) => ended(wide.pipeline, id)));
    expect(records.map(({ status, error }) => error?.message ?? status)).toEqual(Array(8).fill('COMPLETED'));
  });

  it('goes on over a damaged middle and says so', async () => {
    const { pipeline, store } = running;
    const path = await damagedVideo();
    const stream = await submit(pipeline, path, { framesPerSecond: 1 });
    const record = await ended(pipeline, stream.id);
    expect(record.status).toBe('COMPLETED');
    expect(record.warnings.map(({ code }) => code)).toContain('MEDIA_DAMAGED');
    const stored = await allFrames(store, stream.id);
    expect(stored.at(-1)!.ptsSeconds).toBeGreaterThan(55);
  });

  it('refuses at once what is no video, and removes it', async () => {
    const { pipeline } = running;
    const { id } = await pipeline.uploads.receive(
      (async function* () {
        yield new TextEncoder().encode('this is a text and no video at all\n'.repeat(100));
      })(),
    );
    const input = { uploadId: id, name: 'text', sampling: { kind: 'EVERY_FRAME' } } as const;
    await expect(pipeline.analyzeVideo(input)).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED' });
    await expect(pipeline.analyzeVideo(input)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('does not take the same upload twice, nor let it be removed by others', async () => {
    const { pipeline } = running;
    const stream = await submit(pipeline, longVideo);
    const again = { uploadId: stream.uploadId!, name: 'again', sampling: stream.sampling };
    await expect(pipeline.analyzeVideo(again)).rejects.toMatchObject({ code: 'BAD_INPUT' });
    expect(await pipeline.uploads.remove(stream.uploadId!)).toBe(false);
    await pipeline.deleteStream(stream.id);
  });

  it('knows no stream that does not exist', async () => {
    const { pipeline } = running;
    await expect(pipeline.stopStream('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(pipeline.subscribeFrames('nobody').next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(pipeline.subscribeStatus('nobody').next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
