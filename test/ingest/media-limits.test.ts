import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { platform } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFrames } from '../../src/frames/index.ts';
import { openDecoder, probeMedia } from '../../src/ingest/index.ts';
import { limitHit, type MediaLimits, UNLIMITED } from '../../src/ingest/media-limits.ts';
import { MediaProcess } from '../../src/ingest/media-process.ts';
import { decode, EVERY_FRAME, type MediaFolder, mediaFolder, open, pattern } from './fixtures/media.ts';

const GIBIBYTE = 1024 ** 3;
/** Not enough for ffmpeg's own libraries. */
const TINY: MediaLimits = { memoryBytes: 32 * 1024 ** 2, cpuSeconds: 0 };
const isLinux = platform() === 'linux';

let folder: MediaFolder;
beforeAll(async () => {
  folder = await mediaFolder();
  const encode = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p';
  await folder.ffmpeg(`${pattern('160x90', 25, 1)} ${encode} {short.mp4}`);
  await folder.ffmpeg(`${pattern('640x360', 25, 4)} ${encode} {part.ts}`);
});
afterAll(() => folder[Symbol.asyncDispose]());

/** A pipe by name that gives a file again and again, as a video without an end: no machine is done with it in time. */
async function endless(path: string, name: string): Promise<AsyncDisposable & { readonly path: string }> {
  const pipe = folder.file(name);
  execFileSync('mkfifo', [pipe]);
  const feeding = spawn('sh', ['-c', 'exec >"$1"; while cat "$0"; do :; done', path, pipe], { stdio: 'ignore' });
  const exited = once(feeding, 'exit');
  return {
    path: pipe,
    async [Symbol.asyncDispose]() {
      feeding.kill('SIGKILL');
      await exited;
    },
  };
}

async function failureOf(work: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  return work.then(
    () => {
      throw new Error('It was to fail, and did not.');
    },
    (thrown: { readonly code: string; readonly message: string }) => thrown,
  );
}

describe('a limit that is hit', () => {
  it('of processor time ends the decoding with an error that names the setting, and keeps what came before', async () => {
    const media = await probeMedia(folder.file('part.ts'));
    await using video = await endless(folder.file('part.ts'), 'endless.ts');
    let frames = 0;
    const failure = await failureOf(
      (async () => {
        await using decoder = openDecoder(video.path, {
          media,
          sampling: EVERY_FRAME,
          maxSidePixels: 16,
          limits: { memoryBytes: 0, cpuSeconds: 1 },
          signal: new AbortController().signal,
        });
        for await (const _ of readFrames(decoder)) frames += 1;
      })(),
    );
    expect(failure).toMatchObject({ code: 'MEDIA_TOO_COSTLY', message: expect.stringContaining('MEDIA_CPU_SECONDS') });
    expect(frames).toBeGreaterThan(0);
  });

  it.skipIf(!isLinux)('of address space ends probe and decoding alike', async () => {
    for (const work of [
      probeMedia(folder.file('short.mp4'), { limits: TINY }),
      decode(folder.file('short.mp4'), { limits: TINY }),
    ]) {
      expect(await failureOf(work)).toMatchObject({
        code: 'MEDIA_TOO_COSTLY',
        message: expect.stringContaining('MEDIA_MEMORY_BYTES'),
      });
    }
  });

  it('of the size of files keeps ffmpeg from writing one', async () => {
    const args = ['-nostdin', '-v', 'error', '-i', folder.file('short.mp4'), '-c', 'copy', folder.file('written.mp4')];
    await using ffmpeg = await MediaProcess.start('ffmpeg', args, { limits: UNLIMITED });
    ffmpeg.output.resume();
    const { code, signal } = await ffmpeg.closed;
    expect([code === 0, signal === null && code === 0]).toEqual([false, false]);
    expect((await stat(folder.file('written.mp4'))).size).toBe(0);
  });
});

describe('limits that are not hit', () => {
  it('leave a video as it is, whatever its name', async () => {
    const name = `a b $(touch gone) '";& %s.mp4`;
    await writeFile(folder.file(name), await readFile(folder.file('short.mp4')));
    const limits = { memoryBytes: 4 * GIBIBYTE, cpuSeconds: 100 };
    expect((await decode(folder.file(name), { limits })).frames).toHaveLength(25);
    expect(await probeMedia(folder.file(name), { limits })).toMatchObject({ width: 160, height: 90 });
  });

  it.skipIf(!isLinux)('are those of ffmpeg itself, which is the process that was started', async () => {
    await using decoder = await open(folder.file('part.ts'), {
      limits: { memoryBytes: 3 * GIBIBYTE, cpuSeconds: 77 },
    });
    await readFrames(decoder).next();
    const process = `/proc/${await decoder.processId}`;
    expect(await readFile(`${process}/comm`, 'utf8')).toBe('ffmpeg\n');
    const limits = (await readFile(`${process}/limits`, 'utf8')).replaceAll(/ +/g, ' ');
    for (const line of [
      'Max cpu time 77 87 seconds',
      `Max address space ${3 * GIBIBYTE} ${3 * GIBIBYTE} bytes`,
      'Max file size 0 0 bytes',
      'Max core file size 0 0 bytes',
    ]) {
      expect(limits).toContain(line);
    }
  });
});

const THREAD = '[error] Error while opening decoder for input stream #0:0 : Resource temporarily unavailable';

describe('what ended a process', () => {
  const limits = { memoryBytes: GIBIBYTE, cpuSeconds: 60 };
  it.each([
    ['its time, when it caught the signal', { code: 255, signal: null, elapsedSeconds: 31 }, 'MEDIA_CPU_SECONDS'],
    ['its time, when it did not', { code: null, signal: 'SIGXCPU', elapsedSeconds: 31 }, 'MEDIA_CPU_SECONDS'],
    ['something else, when it cannot have used its time', { code: 255, signal: null, elapsedSeconds: 9 }, null],
    ['something else, when it was killed', { code: null, signal: 'SIGKILL', elapsedSeconds: 999 }, null],
    ['its memory', { code: 1, signal: null, complaints: '[error] Cannot allocate memory' }, 'MEDIA_MEMORY_BYTES'],
    ['nothing, when it went on without it', { code: 0, signal: null, complaints: 'Cannot allocate memory' }, null],
    ['its memory, when no thread could start', { code: 1, signal: null, complaints: THREAD }, 'MEDIA_MEMORY_BYTES'],
    ['a quiet network', { code: 1, signal: null, complaints: 'Resource temporarily unavailable' }, null],
    ['the file', { code: 1, signal: null, complaints: '[error] Invalid data found' }, null],
  ] as const)('is %s', (_, run, setting) => {
    const { code, signal } = run;
    const hit = limitHit({ limits, complaints: '', elapsedSeconds: 1, ...run, exit: { code, signal } });
    if (setting === null) expect(hit).toBeNull();
    else expect(hit).toMatchObject({ code: 'MEDIA_TOO_COSTLY', message: expect.stringContaining(setting) });
  });

  it('is never a limit that there was none of', () => {
    const exit = { code: 255, signal: null };
    expect(limitHit({ limits: UNLIMITED, exit, elapsedSeconds: 1e6, complaints: 'Out of memory' })).toBeNull();
  });
});
