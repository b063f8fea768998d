import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode, type MediaFolder, mediaFolder, pattern, probedTimes, rate, turnClockwise } from './fixtures/media.ts';

let folder: MediaFolder;
beforeAll(async () => {
  folder = await mediaFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

function expectSameTimes(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  // ffprobe gives no time for a frame that the decoder holds back until the end of an MPEG program stream.
  for (const [index, time] of expected.entries())
    if (!Number.isNaN(time)) expect(Math.abs(actual[index]! - time)).toBeLessThanOrEqual(1e-6);
}

describe('the times of every frame are those of ffprobe', () => {
  const source = pattern('160x90', 25, 2);
  const h264 = '-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p';
  it.each([
    ['MP4 with B frames', 'b.mp4', `${source} ${h264} {b.mp4}`],
    ['29.97 frames a second', 'ntsc.mp4', `${pattern('160x90', 29.97, 2)} ${h264} {ntsc.mp4}`],
    ['Matroska, whose times are whole milliseconds', 'a.mkv', `${pattern('160x90', 30, 2)} ${h264} {a.mkv}`],
    ['WebM', 'a.webm', `${source} -c:v libvpx -deadline realtime -cpu-used 8 {a.webm}`],
    ['MPEG-TS that starts at an hour', 'late.ts', `${source} ${h264} -output_ts_offset 3600 {late.ts}`],
    ['AVI', 'a.avi', `${source} -c:v mpeg4 {a.avi}`],
    ['MPEG program stream', 'a.mpg', `${source} -c:v mpeg2video -bf 2 {a.mpg}`],
    ['FLV', 'a.flv', `${source} -c:v flv1 {a.flv}`],
    ['Ogg', 'a.ogv', `${source} -c:v libtheora {a.ogv}`],
    ['QuickTime with HEVC', 'a.mov', `${source} -c:v libx265 -preset ultrafast -x265-params log-level=none {a.mov}`],
    [
      'a rate that varies',
      'vfr.mp4',
      `${pattern('160x90', 30, 3)} -vf select='not(mod(n,7))+gt(n,60)' -fps_mode vfr ${h264} {vfr.mp4}`,
    ],
  ])('%s', async (_, name, words) => {
    await folder.ffmpeg(words);
    const { times, frames, warnings } = await decode(folder.file(name));
    expectSameTimes(times, await probedTimes(folder.file(name)));
    expect(new Set(frames.map((frame) => frame.digest)).size).toBe(times.length);
    expect(warnings).toEqual([]);
  });

  it('those before an edit list begins are left out', async () => {
    await folder.ffmpeg(`${source} ${h264} -g 50 {whole.mp4}`);
    await folder.ffmpeg('-ss 1 -i {whole.mp4} -c copy {cut.mp4}');
    const { times } = await decode(folder.file('cut.mp4'));
    expectSameTimes(times, await probedTimes(folder.file('cut.mp4')));
    expect(times[0]).toBe(0);
  });
});

describe('a rate', () => {
  const h264 = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p';

  it('takes the first frame of each stretch, at its own time', async () => {
    await folder.ffmpeg(`${pattern('160x90', 25, 3)} ${h264} {even.mp4}`);
    const all = await decode(folder.file('even.mp4'));
    const some = await decode(folder.file('even.mp4'), { sampling: rate(4) });
    expect(some.times).toEqual(
      [0, 0.28, 0.52, 0.76, 1, 1.28, 1.52, 1.76, 2, 2.28, 2.52, 2.76].map((t) => expect.closeTo(t, 9)),
    );
    for (const frame of some.frames) expect(all.frames).toContainEqual(frame);
  });

  it('takes every frame when it is the rate of the video, or more', async () => {
    for (const [name, framesPerSecond] of [
      ['r30.mkv', 30],
      ['r25.mp4', 25],
      ['r30.flv', 30],
    ] as const) {
      await folder.ffmpeg(`${pattern('160x90', framesPerSecond, 2)} ${h264} {${name}}`);
      for (const asked of [framesPerSecond, 1000]) {
        expect((await decode(folder.file(name), { sampling: rate(asked) })).times).toHaveLength(framesPerSecond * 2);
      }
    }
  });

  it('never makes up a frame where the video has none', async () => {
    await folder.ffmpeg(`${pattern('160x90', 10, 4)} -vf select='lt(n,10)+gt(n,35)' -fps_mode vfr ${h264} {gap.mp4}`);
    const { times } = await decode(folder.file('gap.mp4'), { sampling: rate(2) });
    expect(times).toEqual([0, 0.5, 3.6].map((t) => expect.closeTo(t, 6)));
  });

  it('counts from the first frame of a video that does not start at 0', async () => {
    await folder.ffmpeg(`${pattern('160x90', 25, 2)} ${h264} -output_ts_offset 7.3 {offset.ts}`);
    const { times } = await decode(folder.file('offset.ts'), { sampling: rate(1) });
    expect(times).toHaveLength(2);
    expect(times[1]! - times[0]!).toBeCloseTo(1, 6);
  });

  it('may be less than one frame a second', async () => {
    await folder.ffmpeg(`${pattern('160x90', 5, 9)} ${h264} {slow.mp4}`);
    expect((await decode(folder.file('slow.mp4'), { sampling: rate(0.25) })).times).toEqual([0, 4, 8]);
  });
});

describe('the picture', () => {
  const h264 = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p';

  it('is turned upright as the file asks for', async () => {
    await folder.ffmpeg(`-f lavfi -i color=red:s=96x64:r=5:d=1,drawbox=c=blue:w=48:h=64:t=fill ${h264} {turned.mp4}`);
    await turnClockwise(folder.file('turned.mp4'), 90);
    const { frames } = await decode(folder.file('turned.mp4'));
    expect(frames).toHaveLength(5);
    expect(frames[0]!.size).toBe('64x96');
  });

  it('is made no larger than asked and never larger than it is', async () => {
    await folder.ffmpeg(`${pattern('320x180', 5, 1)} -vf scale=321:181,setsar=1 -c:v ffv1 -pix_fmt yuv444p {odd.mkv}`);
    expect((await decode(folder.file('odd.mkv'))).frames[0]!.size).toBe('321x181');
    expect((await decode(folder.file('odd.mkv'), { maxSidePixels: 100 })).frames[0]!.size).toBe('100x56');
    expect((await decode(folder.file('odd.mkv'), { maxSidePixels: 1 })).frames[0]!.size).toBe('1x1');
  });

  it('has square pixels', async () => {
    await folder.ffmpeg(`${pattern('144x96', 5, 1)} -vf setsar=4/3 ${h264} {wide.mp4}`);
    expect((await decode(folder.file('wide.mp4'))).frames[0]!.size).toBe('192x96');
  });

  it('is 8-bit RGB whatever the depth of the video', async () => {
    await folder.ffmpeg('-f lavfi -i color=0xC04020:s=64x64:r=5:d=1 -c:v ffv1 -pix_fmt yuv420p10le {deep.mkv}');
    const [red, green, blue] = (await decode(folder.file('deep.mkv'))).frames[0]!.middle;
    expect(Math.abs(red! - 0xc0)).toBeLessThan(6);
    expect(Math.abs(green! - 0x40)).toBeLessThan(6);
    expect(Math.abs(blue! - 0x20)).toBeLessThan(6);
  });

  it('keeps its size when the video changes it in the middle, and each frame keeps its time', async () => {
    await folder.ffmpeg(`${pattern('160x90', 25, 2)} ${h264} {one.ts}`);
    await folder.ffmpeg(`${pattern('320x240', 25, 2)} ${h264} -output_ts_offset 3 {two.ts}`);
    const joined = await Promise.all(['one.ts', 'two.ts'].map((name) => readFile(folder.file(name))));
    await writeFile(folder.file('sizes.ts'), Buffer.concat(joined));
    const { frames, times } = await decode(folder.file('sizes.ts'));
    expect(new Set(frames.map((frame) => frame.size))).toEqual(new Set(['160x90']));
    expectSameTimes(times, await probedTimes(folder.file('sizes.ts')));
    const sampled = await decode(folder.file('sizes.ts'), { sampling: rate(0.5) });
    expect(sampled.times).toHaveLength(3);
  });
});

it('counts on where recordings were joined and times begin anew', async () => {
  await folder.ffmpeg(`${pattern('160x90', 25, 2)} -c:v libx264 -preset ultrafast {again.ts}`);
  const again = await readFile(folder.file('again.ts'));
  await writeFile(folder.file('twice.ts'), Buffer.concat([again, again]));
  const { times, warnings } = await decode(folder.file('twice.ts'));
  expect(times).toHaveLength(100);
  for (const [index, time] of times.entries()) if (index > 0) expect(time).toBeGreaterThan(times[index - 1]!);
  expect(warnings).toContainEqual(expect.objectContaining({ code: 'MEDIA_DAMAGED', count: 1 }));
});
