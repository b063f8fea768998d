import { execFileSync } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mediaProcessCounts, probeMedia } from '../../src/ingest/index.ts';
import { openVideoFrames } from '../../src/pipeline/video-frames.ts';
import { ffmpeg, temporaryFolder, testConfig } from './support.ts';

it('gives up a file that brings no frame for too long, and leaves no process', async () => {
  await using folder = await temporaryFolder();
  const video = join(folder.path, 'video.mp4');
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=64x64:r=25:d=0.2', '-c:v', 'libx264', video);
  const media = await probeMedia(video);
  // ffmpeg waits for what nobody ever writes.
  const silent = join(folder.path, 'silent.mp4');
  execFileSync('mkfifo', [silent]);
  const { running } = mediaProcessCounts();
  const { frames } = openVideoFrames(silent, {
    media,
    sampling: { kind: 'EVERY_FRAME' },
    config: testConfig(folder.path, { MEDIA_STALL_SECONDS: '0.3' }),
    signal: new AbortController().signal,
  });
  await expect(frames.next()).rejects.toMatchObject({
    code: 'MEDIA_TOO_COSTLY',
    message: expect.stringContaining('MEDIA_STALL_SECONDS'),
  });
  expect(mediaProcessCounts().running).toBe(running);
});

it('takes frames that are left out for life: a resumed job reads again what it had', async () => {
  await using folder = await temporaryFolder();
  const [whole, pipe] = [join(folder.path, 'whole.ts'), join(folder.path, 'pipe.ts')];
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=64x64:r=25:d=12', '-c:v', 'libx264', '-bf', '0', '-g', '5', whole);
  const media = await probeMedia(whole);
  execFileSync('mkfifo', [pipe]);
  const { frames } = openVideoFrames(pipe, {
    media,
    sampling: { kind: 'EVERY_FRAME' },
    config: testConfig(folder.path, { MEDIA_STALL_SECONDS: '4' }),
    resumeAfter: { sequence: 237, ptsSeconds: media.startSeconds + 9.5 },
    signal: new AbortController().signal,
  });
  // Most of it at once, the rest so slowly that the wanted frame comes after the limit.
  const bytes = await readFile(whole);
  const writing = (async () => {
    await using file = await open(pipe, 'w');
    const [first, step] = [0.7 * bytes.length, 0.015 * bytes.length].map(Math.floor) as [number, number];
    await file.write(bytes.subarray(0, first));
    for (let at = first; at < bytes.length; at += step) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await file.write(bytes.subarray(at, at + step));
    }
  })().catch(() => undefined);
  expect((await frames.next()).value).toMatchObject({ sequence: 238 });
  await frames.return();
  await writing;
});

it('does not mind a reader that takes its time', async () => {
  await using folder = await temporaryFolder();
  const video = join(folder.path, 'video.mp4');
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=64x64:r=25:d=0.2', '-c:v', 'libx264', video);
  const { frames } = openVideoFrames(video, {
    media: await probeMedia(video),
    sampling: { kind: 'EVERY_FRAME' },
    config: testConfig(folder.path, { MEDIA_STALL_SECONDS: '5' }),
    signal: new AbortController().signal,
  });
  let count = 0;
  for await (const _ of frames) {
    count += 1;
    if (count === 1) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(count).toBe(5);
});
