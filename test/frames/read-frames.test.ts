import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { type RawVideo, readFrames } from '../../src/frames/index.ts';
import { codeOf } from '../ingest/fixtures/media.ts';

const WIDTH = 3;
const HEIGHT = 2;
const FRAME_BYTES = WIDTH * HEIGHT * 3;

function records(count: number): string {
  return Array.from({ length: count }, (_, index) => `frame:${index} pts:${index * 10} pts_time:1\nx=1\n`).join('');
}

function frameBytes(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => Buffer.alloc(FRAME_BYTES, index + 1)));
}

function source(video: Iterable<Buffer>, metadata: Iterable<string>, more: Partial<RawVideo> = {}): RawVideo {
  return {
    width: WIDTH,
    height: HEIGHT,
    video: Readable.from(video, { objectMode: false }),
    metadata: Readable.from([...metadata].map((text) => Buffer.from(text))),
    timeOf: (ticks) => (ticks ?? 0) / 10,
    ...more,
  };
}

function cutUp<T extends Buffer | string>(whole: T, cuts: readonly number[]): T[] {
  const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
  return at.map((from, index) => whole.slice(from, at[index + 1] ?? from) as T).filter((piece) => piece.length > 0);
}

async function all(raw: RawVideo) {
  const frames = [];
  for await (const frame of readFrames(raw)) frames.push(frame);
  return frames;
}

describe('frames', () => {
  it('come whole, each with its time, however both pipes are cut', async () => {
    const cuts = fc.array(fc.nat(400), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.nat(8), cuts, cuts, async (count, videoCuts, textCuts) => {
        const frames = await all(source(cutUp(frameBytes(count), videoCuts), cutUp(records(count), textCuts)));
        expect(frames.map((frame) => frame.ptsSeconds)).toEqual(Array.from({ length: count }, (_, index) => index));
        for (const [index, { image }] of frames.entries()) {
          expect(image).toEqual({ width: WIDTH, height: HEIGHT, rgb: new Uint8Array(FRAME_BYTES).fill(index + 1) });
          expect(image.rgb.buffer.byteLength).toBe(FRAME_BYTES);
        }
      }),
    );
  });

  it('that are not wanted are left out, and their pixels do not show in the next', async () => {
    const timeOf = (ticks: number | null) => (ticks === 10 ? null : ticks);
    const frames = await all(source([frameBytes(3)], [records(3)], { timeOf }));
    expect(frames.map(({ ptsSeconds, image }) => [ptsSeconds, image.rgb[0], image.rgb.at(-1)])).toEqual([
      [0, 1, 1],
      [20, 3, 3],
    ]);
  });

  it('are read no faster than they are taken', async () => {
    const video = new PassThrough({ highWaterMark: FRAME_BYTES });
    let taken = 0;
    const feed = (async () => {
      for (let index = 0; index < 20; index += 1) {
        if (!video.write(Buffer.alloc(FRAME_BYTES))) await new Promise((resolve) => video.once('drain', resolve));
        taken += 1;
      }
      video.end();
    })();
    const frames = readFrames(source([], [records(20)], { video }));
    await frames.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(taken).toBeLessThan(5);
    while (!(await frames.next()).done);
    await feed;
    expect(taken).toBe(20);
  });

  it('end both pipes when the reader leaves', async () => {
    const raw = source([frameBytes(5)], [records(5)]);
    const frames = readFrames(raw);
    await frames.next();
    await frames.return();
    expect(raw.video.destroyed).toBe(true);
    expect(raw.metadata.destroyed).toBe(true);
  });
});

describe('pipes that do not fit together are an error, never a wait', () => {
  it('when the video ends within a frame', async () => {
    expect(await codeOf(all(source([frameBytes(2).subarray(0, -1)], [records(2)])))).toBe('INTERNAL');
  });

  it('when a frame has no time', async () => {
    expect(await codeOf(all(source([frameBytes(3)], [records(2)])))).toBe('INTERNAL');
  });

  it('when a time has no frame', async () => {
    expect(await codeOf(all(source([frameBytes(2)], [records(3)])))).toBe('INTERNAL');
  });

  it('when the times are something else', async () => {
    expect(await codeOf(all(source([frameBytes(1)], ['nonsense\n'])))).toBe('INTERNAL');
  });

  it("and the decoder's own reason comes first", async () => {
    const ended = Promise.reject(new AppError('ABORTED', 'stopped'));
    ended.catch(() => {});
    expect(await codeOf(all(source([frameBytes(1).subarray(1)], [], { ended })))).toBe('ABORTED');
    expect(await codeOf(all(source([], [], { ended })))).toBe('ABORTED');
  });

  it('when a pipe fails', async () => {
    const video = new PassThrough();
    video.write(frameBytes(1));
    const frames = readFrames(source([], [records(2)], { video }));
    await frames.next();
    setImmediate(() => video.destroy(new AppError('FFMPEG_MISSING', 'gone')));
    expect(await codeOf(frames.next())).toBe('FFMPEG_MISSING');
  });
});
