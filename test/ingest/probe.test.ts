import { once } from 'node:events';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { MediaFacts } from '../../src/domain.ts';
import { readFrames } from '../../src/frames/index.ts';
import { mediaProcessCounts, openDecoder, probeMedia } from '../../src/ingest/index.ts';
import { codeOf, EVERY_FRAME, type MediaFolder, mediaFolder, pattern, turnClockwise } from './fixtures/media.ts';

let folder: MediaFolder;
beforeAll(async () => {
  folder = await mediaFolder();
  await folder.ffmpeg(`${pattern('160x90', 25, 2)} -c:v libx264 -preset ultrafast -pix_fmt yuv420p {a.mp4}`);
});
afterAll(() => folder[Symbol.asyncDispose]());
afterEach(() => vi.unstubAllEnvs());

async function codeOfFile(name: string, content?: string | Uint8Array): Promise<unknown> {
  if (content !== undefined) await writeFile(folder.file(name), content);
  return codeOf(probeMedia(folder.file(name)));
}

describe('the facts of a video', () => {
  it('are its size, length, rate, codec and container', async () => {
    const bytes = await readFile(folder.file('a.mp4'));
    expect(await probeMedia(folder.file('a.mp4'))).toEqual({
      sizeBytes: bytes.length,
      durationSeconds: 2,
      width: 160,
      height: 90,
      rotationDegrees: 0,
      videoCodec: 'h264',
      container: expect.stringContaining('mp4'),
      framesPerSecond: 25,
      startSeconds: 0,
    });
  });

  it.each([
    [90, { width: 90, height: 160, rotationDegrees: 90 }],
    [180, { width: 160, height: 90, rotationDegrees: 180 }],
    [270, { width: 90, height: 160, rotationDegrees: 270 }],
  ] as const)('are those of the upright picture when it is turned by %i', async (degrees, expected) => {
    await copyFile(folder.file('a.mp4'), folder.file('turned.mp4'));
    await turnClockwise(folder.file('turned.mp4'), degrees);
    expect(await probeMedia(folder.file('turned.mp4'))).toMatchObject(expected);
  });

  it('count in square pixels', async () => {
    await folder.ffmpeg(`${pattern('144x96', 5, 1)} -vf setsar=4/3 -c:v libx264 -pix_fmt yuv420p {wide.mp4}`);
    expect(await probeMedia(folder.file('wide.mp4'))).toMatchObject({ width: 192, height: 96 });
  });

  it('tell where time begins', async () => {
    await folder.ffmpeg('-i {a.mp4} -c copy -output_ts_offset 60 {late.ts}');
    const { startSeconds } = await probeMedia(folder.file('late.ts'));
    expect(startSeconds).toBeGreaterThan(60);
    expect(startSeconds).toBeLessThan(62);
  });

  it('are those of the video beside a cover picture', async () => {
    await folder.ffmpeg('-f lavfi -i color=red:s=32x32 -frames:v 1 {cover.png}');
    await folder.ffmpeg('-i {cover.png} -i {a.mp4} -map 0 -map 1 -c copy -disposition:v:0 attached_pic {cover.mp4}');
    expect(await probeMedia(folder.file('cover.mp4'))).toMatchObject({ width: 160, height: 90, videoCodec: 'h264' });
  });
});

describe('what is no video', () => {
  it('is unsupported when it is empty, text, noise, a picture or a folder', async () => {
    expect(await codeOfFile('empty.mp4', '')).toBe('MEDIA_UNSUPPORTED');
    expect(await codeOfFile('text.mp4', 'Once upon a time there was a file that was no film.\n'.repeat(50))).toBe(
      'MEDIA_UNSUPPORTED',
    );
    expect(
      await codeOfFile(
        'noise.mp4',
        Uint8Array.from({ length: 9000 }, (_, index) => (index * 7919) % 251),
      ),
    ).toBe('MEDIA_UNSUPPORTED');
    await folder.ffmpeg('-f lavfi -i color=red:s=32x32 -frames:v 1 {picture.png}');
    expect(await codeOfFile('picture.png')).toBe('MEDIA_UNSUPPORTED');
    expect(await codeOf(probeMedia(folder.path))).toBe('MEDIA_UNSUPPORTED');
  });

  it('is not found when it is not there', async () => {
    expect(await codeOf(probeMedia(folder.file('nowhere.mp4')))).toBe('NOT_FOUND');
  });

  it.each(['a.m4a', 'a.mp3', 'a.wav', 'a.ogg', 'a.mka'])(
    'is without video when it is sound alone: %s',
    async (name) => {
      await folder.ffmpeg(`-f lavfi -i sine=d=1 {${name}}`);
      expect(await codeOfFile(name)).toBe('MEDIA_WITHOUT_VIDEO');
    },
  );

  it('is without video when its only picture is a cover', async () => {
    await folder.ffmpeg('-f lavfi -i color=red:s=32x32 -frames:v 1 {front.png}');
    await folder.ffmpeg(
      '-f lavfi -i sine=d=1 -i {front.png} -map 0 -map 1 -c:v copy -disposition:v:0 attached_pic {song.m4a}',
    );
    expect(await codeOfFile('song.m4a')).toBe('MEDIA_WITHOUT_VIDEO');
  });

  it('is damaged when a container has lost its header', async () => {
    const bytes = await readFile(folder.file('a.mp4'));
    expect(await codeOfFile('cut.mp4', bytes.subarray(0, bytes.length / 2))).toBe('MEDIA_DAMAGED');
  });

  it('is given up when the caller gives up, before and in the middle', async () => {
    expect(await codeOf(probeMedia(folder.file('a.mp4'), { signal: AbortSignal.abort() }))).toBe('ABORTED');
    // One that does not end by itself: the real one may be faster than whoever gives up.
    await mkdir(folder.file('bin'));
    await writeFile(folder.file('bin/ffprobe'), '#!/bin/sh\nexec sleep 600\n');
    await chmod(folder.file('bin/ffprobe'), 0o755);
    vi.stubEnv('PATH', [folder.file('bin'), process.env.PATH].join(delimiter));
    const { running } = mediaProcessCounts();
    const stop = new AbortController();
    const probing = codeOf(probeMedia(folder.file('a.mp4'), { signal: stop.signal }));
    while (mediaProcessCounts().running === running) await sleep(1);
    stop.abort();
    expect(await probing).toBe('ABORTED');
    expect(mediaProcessCounts().running).toBe(running);
  });
});

describe('a list in the clothes of a video', () => {
  let requests = 0;
  const server = createServer((_, response) => {
    requests += 1;
    response.end();
  });
  let address: string;
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await folder.ffmpeg('-i {a.mp4} -c copy {secret.ts}');
  });
  afterAll(() => server.close());

  const claimed: MediaFacts = {
    sizeBytes: 1,
    durationSeconds: 2,
    width: 160,
    height: 90,
    rotationDegrees: 0,
    videoCodec: 'h264',
    container: 'mp4',
    framesPerSecond: 25,
    startSeconds: 0,
  };

  function lists(): [string, string][] {
    const hls = (uri: string) =>
      `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${uri}\n#EXT-X-ENDLIST\n`;
    return [
      ['HLS to a file', hls(folder.file('secret.ts'))],
      ['HLS to a file by address', hls(`file://${folder.file('secret.ts')}`)],
      ['HLS to an address', hls(`${address}/a.ts`)],
      ['HLS after a byte order mark', `\ufeff${hls(`${address}/a.ts`)}`],
      [
        'HLS with a key from an address',
        hls('secret.ts').replace('#EXTINF', `#EXT-X-KEY:METHOD=AES-128,URI="${address}/k"\n#EXTINF`),
      ],
      ['concat script', `ffconcat version 1.0\nfile '${folder.file('secret.ts')}'\n`],
      [
        'DASH',
        `<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>${address}/</BaseURL></MPD>`,
      ],
      ['SDP', `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n`],
    ];
  }

  it('is blocked, and nothing is asked for', async () => {
    for (const [kind, content] of lists()) {
      expect([kind, await codeOfFile('list.mp4', content)]).toEqual([kind, 'MEDIA_BLOCKED']);
    }
    expect(requests).toBe(0);
  });

  it('opens no other file even where it gets past the look at its first bytes', async () => {
    for (const [kind, content] of lists()) {
      await writeFile(folder.file('list.mp4'), content);
      const signal = new AbortController().signal;
      await using decoder = openDecoder(folder.file('list.mp4'), {
        media: claimed,
        sampling: EVERY_FRAME,
        maxSidePixels: 160,
        signal,
      });
      expect([kind, await codeOf(readFrames(decoder).next())]).toEqual([kind, 'MEDIA_DAMAGED']);
    }
    expect(requests).toBe(0);
  });

  it('is not followed by a name that is a protocol', async () => {
    expect(await codeOf(probeMedia(`concat:${folder.file('secret.ts')}`))).toBe('NOT_FOUND');
    expect(await codeOf(probeMedia(`${address}/a.mp4`))).toBe('NOT_FOUND');
    expect(requests).toBe(0);
  });
});
