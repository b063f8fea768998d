import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { readFrames } from '../../src/frames/index.ts';
import { mediaProcessCounts, probeMedia } from '../../src/ingest/index.ts';
import { codeOf, decode, isAlive, type MediaFolder, mediaFolder, open, pattern } from './fixtures/media.ts';

let folder: MediaFolder;
beforeAll(async () => {
  folder = await mediaFolder();
  await folder.ffmpeg(`${pattern('640x360', 25, 8)} -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p {long.mp4}`);
  await folder.ffmpeg(`${pattern('160x90', 25, 1)} -c:v libx264 -preset ultrafast -pix_fmt yuv420p {short.mp4}`);
});
afterAll(() => folder[Symbol.asyncDispose]());
afterEach(() => vi.unstubAllEnvs());

/** Resolves when there is no such process any more. */
async function gone(processId: number): Promise<void> {
  while (isAlive(processId)) await sleep(20);
}

describe('ending early', () => {
  it('kills ffmpeg when the signal fires in the middle', async () => {
    const stop = new AbortController();
    await using decoder = await open(folder.file('long.mp4'), { signal: stop.signal });
    const frames = readFrames(decoder);
    await frames.next();
    const processId = await decoder.processId;
    expect(isAlive(processId)).toBe(true);
    stop.abort();
    const rest = (async () => {
      for await (const _ of frames);
    })();
    expect(await codeOf(rest)).toBe('ABORTED');
    expect(await codeOf(decoder.ended)).toBe('ABORTED');
    await gone(processId);
  });

  it('leaves no process when it is disposed of unread, in the middle, late and twice', async () => {
    const unread = await open(folder.file('long.mp4'));
    const unreadId = await unread.processId;
    await unread[Symbol.asyncDispose]();
    expect(isAlive(unreadId)).toBe(false);

    const middle = await open(folder.file('long.mp4'));
    const frames = readFrames(middle);
    await frames.next();
    await frames.return();
    const middleId = await middle.processId;
    await middle[Symbol.asyncDispose]();
    expect(isAlive(middleId)).toBe(false);
    expect(await codeOf(middle.ended)).toBe('ABORTED');

    const late = await open(folder.file('short.mp4'));
    for await (const _ of readFrames(late));
    await late.ended;
    await late[Symbol.asyncDispose]();
    await late[Symbol.asyncDispose]();
    expect(isAlive(await late.processId)).toBe(false);
  });

  it('starts nothing when the signal has fired before', async () => {
    const decoder = await open(folder.file('short.mp4'), { signal: AbortSignal.abort() });
    expect(await codeOf(decoder.ended)).toBe('ABORTED');
    expect(await codeOf(readFrames(decoder).next())).toBe('ABORTED');
    await decoder[Symbol.asyncDispose]();
  });

  it('is an error that may be tried again when somebody else kills ffmpeg', async () => {
    await using decoder = await open(folder.file('long.mp4'));
    const frames = readFrames(decoder);
    await frames.next();
    process.kill(await decoder.processId, 'SIGKILL');
    const rest = (async () => {
      for await (const _ of frames);
    })();
    expect(await codeOf(rest)).toBe('INTERNAL');
  });
});

it('is counted as a running process until it is gone, however it goes', async () => {
  const { running, started } = mediaProcessCounts();
  const decoder = await open(folder.file('long.mp4'));
  await readFrames(decoder).next();
  // The probe that opened the file was one as well.
  expect(mediaProcessCounts()).toEqual({ running: running + 1, started: started + 2 });
  await decoder[Symbol.asyncDispose]();
  expect(mediaProcessCounts().running).toBe(running);
  await using killed = await open(folder.file('long.mp4'));
  process.kill(await killed.processId, 'SIGKILL');
  await gone(await killed.processId);
  while (mediaProcessCounts().running > running) await sleep(1);
});

describe('a slow reader', () => {
  it('stops ffmpeg, and little waits in between', async () => {
    await using decoder = await open(folder.file('long.mp4'));
    const frames = readFrames(decoder);
    await frames.next();
    const before = process.memoryUsage().arrayBuffers;
    await sleep(700);
    // 200 frames would be 138 MB, and ffmpeg needs less than half a second for them.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8e6);
    expect(isAlive(await decoder.processId)).toBe(true);
    let count = 1;
    for await (const _ of frames) count += 1;
    expect(count).toBe(200);
  });

  it('gets all of a video that ffmpeg was done with before anybody read', async () => {
    await using decoder = await open(folder.file('short.mp4'), { maxSidePixels: 16 });
    await gone(await decoder.processId);
    await sleep(50);
    let count = 0;
    for await (const _ of readFrames(decoder)) count += 1;
    expect(count).toBe(25);
  });
});

it('gives each frame memory of its own that can be handed to a thread', async () => {
  await using decoder = await open(folder.file('short.mp4'));
  const buffers = new Set<ArrayBufferLike>();
  for await (const { image } of readFrames(decoder)) {
    expect(image.rgb.buffer.byteLength).toBe(image.width * image.height * 3);
    buffers.add(image.rgb.buffer);
    structuredClone(image.rgb, { transfer: [image.rgb.buffer as ArrayBuffer] });
    expect(image.rgb.byteLength).toBe(0);
  }
  expect(buffers.size).toBe(25);
});

describe('damage', () => {
  /** The bytes of the samples: between the head of the `mdat` box and the `moov` box behind it. */
  async function damage(from: number, to: number, name: string): Promise<string> {
    const bytes = await readFile(folder.file('long.mp4'));
    const start = bytes.indexOf('mdat') + 4;
    const span = bytes.indexOf('moov') - 4 - start;
    for (let at = start + Math.floor(from * span); at < start + Math.floor(to * span); at += 1) {
      bytes[at] = (at * 7919) % 251;
    }
    await writeFile(folder.file(name), bytes);
    return folder.file(name);
  }

  it('in the middle costs its frames alone and is told', async () => {
    const { times, warnings } = await decode(await damage(0.45, 0.5, 'middle.mp4'));
    expect(times.length).toBeGreaterThan(170);
    expect(times.at(-1)).toBeCloseTo(7.96, 6);
    expect(warnings[0]).toMatchObject({ code: 'MEDIA_DAMAGED', message: expect.stringContaining('damaged') });
    expect(warnings[0]!.count).toBeGreaterThan(0);
  });

  it('everywhere is an error', async () => {
    expect(await codeOf(decode(await damage(0, 1, 'everywhere.mp4')))).toBe('MEDIA_DAMAGED');
  });

  it('at the end costs what is cut off', async () => {
    await folder.ffmpeg('-i {long.mp4} -c copy -movflags +faststart {front.mp4}');
    const bytes = await readFile(folder.file('front.mp4'));
    await writeFile(folder.file('cut.mp4'), bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    const { times, warnings } = await decode(folder.file('cut.mp4'));
    expect(times.length).toBeGreaterThan(90);
    expect(times.length).toBeLessThan(150);
    expect(warnings.map((warning) => warning.message).join()).toContain('ends before');
  });

  it('tells nothing of the machine', async () => {
    const failure = await decode(folder.file('everywhere.mp4')).catch((thrown: unknown) => thrown as Error);
    expect((failure as Error).message).not.toContain(folder.path);
  });
});

describe('the program', () => {
  it('has an error of its own when it is not there', async () => {
    const media = await probeMedia(folder.file('short.mp4'));
    vi.stubEnv('PATH', folder.path);
    expect(await codeOf(probeMedia(folder.file('short.mp4')))).toBe('FFMPEG_MISSING');
    const { openDecoder } = await import('../../src/ingest/index.ts');
    const signal = new AbortController().signal;
    await using decoder = openDecoder(folder.file('short.mp4'), {
      media,
      sampling: { kind: 'EVERY_FRAME' },
      maxSidePixels: 100,
      signal,
    });
    expect(await codeOf(readFrames(decoder).next())).toBe('FFMPEG_MISSING');
    expect(await codeOf(decoder.ended)).toBe('FFMPEG_MISSING');
  });

  it('learns nothing of the environment but the path', async () => {
    await mkdir(folder.file('bin'));
    const script = folder.file('bin/ffprobe');
    await writeFile(script, '#!/bin/sh\n/usr/bin/env >&2\nexit 1\n');
    await chmod(script, 0o755);
    vi.stubEnv('PATH', [join(folder.path, 'bin'), process.env.PATH].join(delimiter));
    vi.stubEnv('DATABASE_URL', 'postgresql://user:secret@localhost/x');
    const failure = await probeMedia(folder.file('short.mp4')).catch((thrown: unknown) => thrown as Error);
    const seen = ((failure as Error).cause as Error).message.split('\n').filter((line) => line.includes('='));
    // The script's own shell adds the others.
    const given = seen.filter((line) => !/^(_|PWD|SHLVL)=/.test(line)).map((line) => line.replace(/=.*/, '='));
    expect(given).toEqual([expect.stringMatching(/\bPATH=$/)]);
  });
});
