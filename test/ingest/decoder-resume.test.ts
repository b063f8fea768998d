import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode, EVERY_FRAME, type MediaFolder, mediaFolder, pattern, rate } from './fixtures/media.ts';

let folder: MediaFolder;
beforeAll(async () => {
  folder = await mediaFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

describe('a resumed run gives the frames that an uninterrupted one gives', () => {
  const source = pattern('160x90', 10, 16);
  const h264 = '-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p';
  it.each([
    ['MP4 with B frames', 'a.mp4', `${h264} -g 30`],
    [
      'MP4 with open groups of pictures',
      'open.mp4',
      '-c:v libx264 -bf 3 -x264-params open-gop=1:keyint=30 -pix_fmt yuv420p',
    ],
    ['Matroska', 'a.mkv', `${h264} -g 30`],
    ['WebM', 'a.webm', '-c:v libvpx -deadline realtime -cpu-used 8 -g 30'],
    ['MPEG-TS that does not start at 0', 'late.ts', `${h264} -g 30 -output_ts_offset 100`],
    ['MPEG-TS with key frames further apart than the way back', 'far.ts', `${h264} -g 150`],
    ['AVI', 'a.avi', '-c:v mpeg4 -g 30'],
    ['MPEG program stream', 'a.mpg', '-r 25 -c:v mpeg2video -bf 2 -g 15'],
    ['FLV', 'a.flv', '-c:v flv1 -g 30'],
  ])('%s', async (_, name, encoding) => {
    await folder.ffmpeg(`${source} ${encoding} {${name}}`);
    for (const [sampling, shares] of [
      [EVERY_FRAME, [0.3, 0.8]],
      [rate(3), [0.9]],
    ] as const) {
      const whole = await decode(folder.file(name), { sampling });
      for (const share of shares) {
        const last = Math.floor(share * whole.frames.length);
        const rest = await decode(folder.file(name), { sampling, afterPtsSeconds: whole.times[last]! });
        expect(rest.frames).toEqual(whole.frames.slice(last + 1));
        expect(rest.frames.length).toBeGreaterThan(3);
        expect(rest.warnings).toEqual([]);
      }
    }
  });

  it.each(['ts', 'mkv'])('also where recordings were joined (%s), before and behind the place', async (kind) => {
    await folder.ffmpeg(`${source} ${h264} -g 30 {one.${kind}}`);
    await folder.ffmpeg(`${pattern('160x90', 10, 40)} ${h264} -g 30 {two.${kind}}`);
    const parts = await Promise.all(['one', 'two'].map((name) => readFile(folder.file(`${name}.${kind}`))));
    const joined = folder.file(`joined.${kind}`);
    await writeFile(joined, Buffer.concat(parts));
    const whole = await decode(joined);
    expect(whole.frames).toHaveLength(560);
    for (const last of [140, 300]) {
      const rest = await decode(joined, { afterPtsSeconds: whole.times[last]! });
      expect(rest.frames).toEqual(whole.frames.slice(last + 1));
    }
  });

  it('also when the last frame was had', async () => {
    await folder.ffmpeg(`${source} ${h264} {end.mp4}`);
    const { times } = await decode(folder.file('end.mp4'));
    expect((await decode(folder.file('end.mp4'), { afterPtsSeconds: times.at(-1)! })).frames).toEqual([]);
  });

  it('also after a time at which the video has no frame', async () => {
    await folder.ffmpeg(`${source} ${h264} {between.mp4}`);
    const { times } = await decode(folder.file('between.mp4'), { afterPtsSeconds: 14.05 });
    expect(times[0]).toBeCloseTo(14.1, 6);
  });
});
