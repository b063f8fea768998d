import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FrameEstimate } from '../../src/domain.ts';
import { scriptLaunch } from '../../src/flow/index.ts';
import { allFrames, ended, framesStored, makeVideo, openPipeline, submit, temporaryFolder } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let video: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  video = await makeVideo(join(folder.path, 'video.mp4'), { frames: 90 });
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

/** What must not depend on an interruption, to the precision that the network itself has between batches. */
function essence(frames: readonly FrameEstimate[]): unknown {
  return frames.map(({ sequence, ptsSeconds, faces }) => ({
    sequence,
    ptsSeconds,
    faces: faces.map(({ trackNumber, box, smoothed }) => ({
      trackNumber,
      x: expect.closeTo(box.x, 4),
      valence: expect.closeTo(smoothed.valence, 3),
      arousal: expect.closeTo(smoothed.arousal, 3),
    })),
  }));
}

function comparable(frames: readonly FrameEstimate[]): unknown {
  return frames.map(({ sequence, ptsSeconds, faces }) => ({
    sequence,
    ptsSeconds,
    faces: faces.map(({ trackNumber, box, smoothed }) => ({
      trackNumber,
      x: box.x,
      valence: smoothed.valence,
      arousal: smoothed.arousal,
    })),
  }));
}

/** Runs a job in a process of its own and kills that without warning once it has published so many frames. */
async function killInTheMiddle(dataDir: string, afterFrames: number): Promise<{ streamId: string; published: number }> {
  const { url, execArgv } = scriptLaunch('./job-process', import.meta.url);
  const child = spawn(process.execPath, [...execArgv, fileURLToPath(url), dataDir, video], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let streamId = '';
  let published = 0;
  for await (const line of createInterface(child.stdout)) {
    if (streamId === '') streamId = line;
    else published = Number(line) + 1;
    if (published >= afterFrames) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
  return { streamId, published };
}

describe('a process that is killed in the middle of a job', () => {
  it('has lost no published frame, and the next one ends the job as if nothing had been', async () => {
    const dataDir = join(folder.path, 'killed');
    const { streamId, published } = await killInTheMiddle(dataDir, 30);
    await using running = await openPipeline(dataDir);
    const { pipeline, store } = running;
    expect((await pipeline.progress(streamId)).framesDone).toBeGreaterThanOrEqual(published);
    expect(await ended(pipeline, streamId)).toMatchObject({ status: 'COMPLETED' });
    const { id: wholeId } = await submit(pipeline, video);
    await ended(pipeline, wholeId);
    const resumed = await allFrames(store, streamId);
    expect(resumed.map((frame) => frame.sequence)).toEqual([...Array(90).keys()]);
    expect(comparable(resumed)).toEqual(essence(await allFrames(store, wholeId)));
  });
});

describe('a pipeline that is closed in the middle of a job', () => {
  it('goes on at the next start where it was, with the result of an uninterrupted run', async () => {
    const dataDir = join(folder.path, 'resume');
    let streamId: string;
    let waitingId: string;
    {
      await using running = await openPipeline(dataDir, { CONCURRENT_JOBS: '1' });
      ({ id: streamId } = await submit(running.pipeline, video));
      ({ id: waitingId } = await submit(running.pipeline, video));
      await framesStored(running.pipeline, streamId, 30);
    }
    await using running = await openPipeline(dataDir);
    const { pipeline, store } = running;
    expect(await ended(pipeline, streamId)).toMatchObject({ status: 'COMPLETED' });
    expect(await ended(pipeline, waitingId)).toMatchObject({ status: 'COMPLETED' });
    const interrupted = await allFrames(store, streamId);
    const whole = await allFrames(store, waitingId);
    expect(interrupted).toHaveLength(90);
    expect(comparable(interrupted)).toEqual(essence(whole));
    expect(await readdir(join(dataDir, 'uploads'))).toEqual([]);
  });

  it('fails the stream with a clear word when its file has gone in the meantime', async () => {
    const dataDir = join(folder.path, 'gone');
    let streamId: string;
    {
      await using running = await openPipeline(dataDir);
      ({ id: streamId } = await submit(running.pipeline, video));
      await framesStored(running.pipeline, streamId, 5);
    }
    await rm(join(dataDir, 'uploads'), { recursive: true });
    await using running = await openPipeline(dataDir);
    const record = await ended(running.pipeline, streamId);
    expect(record).toMatchObject({ status: 'FAILED', error: { code: 'NOT_FOUND' } });
    expect(record.error!.message).toContain('upload the file again');
    expect((await allFrames(running.store, streamId)).length).toBeGreaterThanOrEqual(5);
  });

  it('is not opened twice over one data folder', async () => {
    const dataDir = join(folder.path, 'twice');
    await using _running = await openPipeline(dataDir);
    await expect(openPipeline(dataDir)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
