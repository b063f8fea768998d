import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LiveClock, openDecoder, openLiveSource, probeMedia } from '../../src/ingest/index.ts';
import { httpServer } from '../faults/fixtures/sources.ts';
import { loopbackGate } from '../support/loopback-gate.ts';
import { decode, type MediaFolder, mediaFolder, pattern } from './fixtures/media.ts';

let folder: MediaFolder;
beforeAll(async () => {
  folder = await mediaFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

const encoders = execFileSync('ffmpeg', ['-v', 'error', '-encoders'], { encoding: 'utf8' });
function canEncode(encoder: string): boolean {
  return new RegExp(`^ V\\S+ ${encoder} `, 'm').test(encoders);
}

/** The codec's name, an encoder with its words, a container; 16 frames of 176x144, which even H.263 takes. */
const TAKEN = [
  ['h264', 'libx264 -preset ultrafast', 'mp4'],
  ['hevc', 'libx265 -preset ultrafast -x265-params log-level=none', 'mp4'],
  ['av1', 'libaom-av1 -cpu-used 8 -usage realtime', 'mkv'],
  ['vp8', 'libvpx -deadline realtime', 'webm'],
  ['vp9', 'libvpx-vp9 -deadline realtime -cpu-used 8', 'webm'],
  ['mjpeg', 'mjpeg -pix_fmt yuvj420p', 'avi'],
  ['mpeg4', 'mpeg4', 'avi'],
  ['mpeg1video', 'mpeg1video', 'mpg'],
  ['mpeg2video', 'mpeg2video', 'ts'],
  ['dvvideo', 'dvvideo -s 720x576 -pix_fmt yuv420p', 'avi'],
  ['prores', 'prores', 'mov'],
  ['dnxhd', 'dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p -s 256x144', 'mov'],
  ['msmpeg4v2', 'msmpeg4v2', 'avi'],
  ['msmpeg4v3', 'msmpeg4', 'avi'],
  ['wmv1', 'wmv1', 'wmv'],
  ['wmv2', 'wmv2', 'wmv'],
  ['h263', 'h263', '3gp'],
  ['h263', 'h263p', 'mkv'],
  ['flv1', 'flv', 'flv'],
  ['theora', 'libtheora', 'ogv'],
  ['ffv1', 'ffv1', 'mkv'],
  ['huffyuv', 'huffyuv -pix_fmt yuv422p', 'avi'],
  ['ffvhuff', 'ffvhuff', 'avi'],
  ['utvideo', 'utvideo', 'avi'],
  ['rawvideo', 'rawvideo -pix_fmt yuv420p', 'avi'],
  ['v210', 'v210', 'avi'],
  ['png', 'png', 'mov'],
] as const;

describe('a video that is taken', () => {
  it.each(TAKEN.filter(([, words]) => canEncode(words.split(' ')[0]!)))(
    'plays: %s by %s in %s',
    async (codec, words, container) => {
      const name = `${codec}-${words.split(' ')[0]}.${container}`;
      await folder.ffmpeg(`${pattern('176x144', 25, 0.64)} -c:v ${words} {${name}}`);
      expect((await probeMedia(folder.file(name))).videoCodec).toMatch(codec === 'h263' ? /^h263/ : codec);
      const { frames, warnings } = await decode(folder.file(name));
      expect(frames.length).toBeGreaterThanOrEqual(15);
      expect(warnings).toEqual([]);
    },
  );

  it.each([
    ['aac', 'aac', 'mp4'],
    ['mp3', 'libmp3lame', 'avi'],
    ['opus', 'libopus', 'webm'],
    ['vorbis', 'libvorbis', 'mkv'],
    ['pcm', 'pcm_s16le', 'mov'],
    ['wma', 'wmav2', 'wmv'],
    ['ac3', 'ac3', 'ts'],
    ['mp2', 'mp2', 'mpg'],
    ['flac', 'flac', 'mkv'],
  ])('plays with sound as %s, without a complaint', async (sound, encoder, container) => {
    const name = `with-${sound}.${container}`;
    const video = container === 'webm' ? 'libvpx -deadline realtime' : 'mpeg4';
    const format = container === 'ts' || container === 'mpg' ? 'mpeg2video' : video;
    await folder.ffmpeg(`${pattern('64x48', 25, 0.4)} -f lavfi -i sine=d=0.4 -c:v ${format} -c:a ${encoder} {${name}}`);
    const { frames, warnings } = await decode(folder.file(name));
    expect(frames.length).toBeGreaterThanOrEqual(9);
    expect(warnings).toEqual([]);
  });
});

describe('a coding that is not taken', () => {
  it.each([
    ['qtrle', 'qtrle', 'mov'],
    ['flashsv', 'flashsv', 'flv'],
    ['snow', 'snow -strict experimental -pix_fmt yuv420p', 'avi'],
  ])('is named: %s', async (codec, words, container) => {
    await folder.ffmpeg(`${pattern('64x48', 25, 0.4)} -c:v ${words} {refused-${codec}.${container}}`);
    await expect(probeMedia(folder.file(`refused-${codec}.${container}`))).rejects.toMatchObject({
      code: 'MEDIA_UNSUPPORTED',
      message: expect.stringContaining(codec),
    });
  });

  it('of sound is named as well', async () => {
    await folder.ffmpeg(`${pattern('64x48', 25, 0.4)} -f lavfi -i sine=d=1 -c:v mpeg4 -c:a adpcm_yamaha {sound.avi}`);
    await expect(probeMedia(folder.file('sound.avi'))).rejects.toMatchObject({
      code: 'MEDIA_UNSUPPORTED',
      message: expect.stringContaining('adpcm_yamaha'),
    });
  });

  it('is not decoded either where the probe is got around', async () => {
    await folder.ffmpeg(`${pattern('64x48', 25, 0.4)} -c:v qtrle {around.mov}`);
    await folder.ffmpeg(`${pattern('64x48', 25, 0.4)} -c:v mpeg4 {innocent.mov}`);
    const media = await probeMedia(folder.file('innocent.mov'));
    await using decoder = openDecoder(folder.file('around.mov'), {
      media,
      sampling: { kind: 'EVERY_FRAME' },
      maxSidePixels: 64,
      signal: new AbortController().signal,
    });
    decoder.metadata.resume();
    await expect(decoder.video.toArray()).resolves.toEqual([]);
    await expect(decoder.ended).rejects.toMatchObject({ code: 'MEDIA_DAMAGED' });
  });

  it('of a live source is an error that no further try will change', async () => {
    await folder.ffmpeg(`${pattern('64x48', 25, 1)} -c:v flashsv {live.flv}`);
    const bytes = await readFile(folder.file('live.flv'));
    await using server = await httpServer((_, response) => response.end(bytes));
    const opened = await loopbackGate().open(`${server.url}/live`, { signal: new AbortController().signal });
    const opening = openLiveSource(opened, {
      sampling: { kind: 'EVERY_FRAME' },
      maxSidePixels: 64,
      maxWidthPixels: null,
      fromFirst: true,
      clock: new LiveClock({ openedAtMs: Date.now(), lastPtsSeconds: null }),
      connectSeconds: 10,
      signal: new AbortController().signal,
    });
    await expect(opening).rejects.toMatchObject({
      code: 'MEDIA_UNSUPPORTED',
      message: expect.stringContaining('flashsv'),
      retryable: false,
    });
  });
});

describe('a picture that grows in the middle of a file', () => {
  /** Whether a red picture of this size comes out between others. */
  async function redComesOut(size: string): Promise<{ readonly red: boolean; readonly frames: number }> {
    const encode = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p -f mpegts';
    const parts = [pattern('64x48', 5, 1), `-f lavfi -i color=red:s=${size}:r=5:d=0.2`, pattern('64x48', 5, 1)];
    for (const [index, part] of parts.entries()) {
      await folder.ffmpeg(`${part} ${encode} -output_ts_offset ${2 * index} {part-${index}.ts}`);
    }
    const bytes = await Promise.all(parts.map((_, index) => readFile(folder.file(`part-${index}.ts`))));
    await writeFile(folder.file('grows.ts'), Buffer.concat(bytes));
    const { frames } = await decode(folder.file('grows.ts'));
    expect(new Set(frames.map((frame) => frame.size))).toEqual(new Set(['64x48']));
    const red = frames.some(({ middle: [r = 0, g = 0, b = 0] }) => r > 240 && g < 20 && b < 20);
    return { red, frames: frames.length };
  }

  it('is scaled down to the size of the first', async () => {
    expect(await redComesOut('1280x720')).toEqual({ red: true, frames: 11 });
  });

  it('is left out beyond the limit of pixels', async () => {
    expect(await redComesOut('8448x8192')).toEqual({ red: false, frames: 10 });
  });
});
