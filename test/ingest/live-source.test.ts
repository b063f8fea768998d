import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFrames } from '../../src/frames/index.ts';
import {
  createAddressGate,
  LiveClock,
  type LiveSource,
  type LiveSourceOptions,
  openLiveSource,
} from '../../src/ingest/index.ts';
import { canServeRtsp, RtspCamera } from '../faults/fixtures/rtsp.ts';
import {
  freeUdpPort,
  httpServer,
  type MotionJpeg,
  motionJpeg,
  RtmpCamera,
  Running,
} from '../faults/fixtures/sources.ts';
import { leftIn } from '../support/left-in-signal.ts';
import { loopbackGate } from '../support/loopback-gate.ts';
import { openAddress } from './fixtures/http-source.ts';
import { codeOf, isAlive, type MediaFolder, mediaFolder, pattern, rate } from './fixtures/media.ts';

let folder: MediaFolder;
beforeAll(async () => {
  folder = await mediaFolder();
  const encode = '-c:v libx264 -preset ultrafast -tune zerolatency -g 5 -pix_fmt yuv420p';
  await folder.ffmpeg(`${pattern('320x180', 25, 2)} ${encode} -movflags +faststart {recording.mp4}`);
  await folder.ffmpeg(`${pattern('320x180', 25, 2)} ${encode} {recording.mkv}`);
  await folder.ffmpeg(`-f lavfi -i testsrc2=s=64x64:r=1/60:d=300 ${encode} -movflags +faststart {slow.mp4}`);
  await folder.ffmpeg(`${pattern('320x180', 25, 2)} ${encode} -g 10 -f hls -hls_time 0.4 -hls_list_size 0 {list.m3u8}`);
  await folder.ffmpeg(`${pattern('320x180', 25, 1)} ${encode} -f mpegts {first.ts}`);
  await folder.ffmpeg(`${pattern('160x120', 25, 1)} ${encode} -f mpegts {second.ts}`);
  await folder.ffmpeg(`${pattern('320x180', 25, 1)} ${encode} {first.flv}`);
  const broad = '-vf noise=alls=80:allf=t -b:v 9M -minrate 9M -maxrate 9M -bufsize 2M';
  await folder.ffmpeg(`${pattern('640x360', 25, 4)} ${encode} ${broad} -f mpegts {broad.ts}`);
  await folder.ffmpeg(`${pattern('320x180', 25, 1)} -frames:v 1 {still.jpg}`);
  await folder.ffmpeg('-f lavfi -i color=red:s=320x180 -frames:v 1 {other.jpg}');
  await folder.ffmpeg(`-f lavfi -i sine=d=1 -c:a aac -f mpegts {sound.ts}`);
});
afterAll(() => folder[Symbol.asyncDispose]());

function options(wish: Partial<LiveSourceOptions> = {}): LiveSourceOptions {
  return {
    sampling: { kind: 'EVERY_FRAME' },
    maxSidePixels: 1280,
    maxWidthPixels: null,
    fromFirst: true,
    clock: new LiveClock({ openedAtMs: Date.now(), lastPtsSeconds: null }),
    connectSeconds: 60,
    signal: new AbortController().signal,
    ...wish,
  };
}

async function open(url: string, wish: Partial<LiveSourceOptions> = {}): Promise<LiveSource> {
  const opened = await loopbackGate().open(url, { signal: new AbortController().signal });
  return openLiveSource(opened, options(wish));
}

interface Seen {
  readonly ptsSeconds: number;
  readonly digest: string;
}

async function read(source: LiveSource, count = Number.POSITIVE_INFINITY): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { ptsSeconds, image } of readFrames(source)) {
    expect(image.rgb).toHaveLength(source.width * source.height * 3);
    seen.push({ ptsSeconds, digest: createHash('md5').update(image.rgb).digest('hex') });
    if (seen.length >= count) break;
  }
  return seen;
}

/** Serves the files of the folder. */
function files() {
  return httpServer((path, response) => {
    readFile(folder.file(path.slice(1))).then(
      (bytes) => response.writeHead(200, { 'content-length': bytes.length }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
}

const hasRtsp = await canServeRtsp();

describe.runIf(hasRtsp)('a source over RTSP', () => {
  const gate = createAddressGate({ allowedHosts: ['127.0.0.1'] });

  test.each([
    ['tcp', 'AUTO', true],
    ['udp', 'AUTO', true],
    ['tcp', 'TCP', true],
    ['udp', 'UDP', true],
    ['tcp', 'UDP', false],
    ['udp', 'TCP', false],
  ] as const)('that sends by %s alone, asked for %s: plays = %s', async (sends, rtspTransport, plays) => {
    await using server = await RtspCamera.start(sends);
    await using opened = await gate.open(server.url, { signal: new AbortController().signal });
    const opening = openLiveSource(opened, options({ rtspTransport }));
    if (!plays) return void expect(await codeOf(opening)).toBe('SOURCE_UNREACHABLE');
    await using source = await opening;
    expect(await read(source, 5)).toHaveLength(5);
  });
});

describe('a live source', () => {
  test("over RTMP gives frames whose times are the source's own", async () => {
    await using server = await RtmpCamera.start();
    await using source = await open(server.url);
    expect(source).toMatchObject({ width: 640, height: 360, sourceSize: { width: 640, height: 360 } });
    const seen = await read(source, 20);
    const steps = seen.slice(1).map(({ ptsSeconds }, index) => ptsSeconds - seen[index]!.ptsSeconds);
    for (const step of steps) expect(step).toBeCloseTo(0.04, 3);
    expect(isAlive(source.processId)).toBe(true);
    await source[Symbol.asyncDispose]();
    expect(isAlive(source.processId)).toBe(false);
  });

  test('over UDP is entered in the middle, at the rate that is asked, scaled to the width that is asked', async () => {
    const port = await freeUdpPort();
    // So few bytes that none is lost while ffmpeg is too busy to take them: the system keeps 200 kB.
    const flat = '-nostdin -v error -re -f lavfi -i color=gray:s=640x360:r=25 -pix_fmt yuv420p -g 5'.split(' ');
    const encode = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency'];
    const sent = ['-f', 'mpegts', `udp://127.0.0.1:${port}?pkt_size=1316`];
    await using _camera = new Running('ffmpeg', [...flat, ...encode, ...sent]);
    await using source = await open(`udp://127.0.0.1:${port}`, { sampling: rate(5), maxWidthPixels: 320 });
    expect(source).toMatchObject({ width: 320, height: 180, sourceSize: { width: 640, height: 360 } });
    // The first interval is entered in its middle.
    const [, ...seen] = await read(source, 7);
    const steps = seen.slice(1).map(({ ptsSeconds }, index) => ptsSeconds - seen[index]!.ptsSeconds);
    for (const step of steps) expect(step).toBeCloseTo(0.2, 3);
  });

  test.each(['udp', 'http'])('of 9 Mbit/s as MPEG-TS over %s is known wherever it is entered', async (scheme) => {
    const port = await freeUdpPort();
    const source = [
      '-nostdin',
      '-v',
      'error',
      '-re',
      '-stream_loop',
      '-1',
      '-i',
      folder.file('broad.ts'),
      '-c',
      'copy',
    ];
    const sent = ['-pat_period', '0.5', '-f', 'mpegts', `udp://127.0.0.1:${port}?pkt_size=1316`];
    await using _camera = new Running('ffmpeg', [...source, ...sent]);
    await using server = await httpServer((_, response) => {
      const socket = createSocket('udp4', (packet) => void response.write(packet)).bind(port, '127.0.0.1');
      response.writeHead(200, { 'content-type': 'video/mp2t' }).once('close', () => socket.close());
    });
    const url = scheme === 'udp' ? `udp://127.0.0.1:${port}` : `${server.url}/camera.ts`;
    for (let joined = 0; joined < 4; joined += 1) {
      await using live = await open(url, { fromFirst: false });
      expect(await read(live, 2)).toHaveLength(2);
    }
  });

  test('over HTTP as motion JPEG, which carries no times, takes those of the arrival', async () => {
    const [jpeg, other] = await Promise.all(['still.jpg', 'other.jpg'].map((name) => readFile(folder.file(name))));
    let motion: MotionJpeg | null = null;
    await using server = await httpServer((_, response) => {
      motion = motionJpeg(response, jpeg!, 10);
    });
    await using source = await open(`${server.url}/video`);
    const frames = readFrames(source);
    const first = await frames.next();
    const firstSeenAtMs = Date.now();
    motion!.hush();
    await sleep(1000);
    const sentAtMs = Date.now();
    // Again and again: one that comes at once behind another is left out.
    const sending = setInterval(() => motion!.send(other!), 200);
    let laterSeconds = Number.NaN;
    for await (const { ptsSeconds, image } of frames) {
      const [red, green, blue] = image.rgb;
      laterSeconds = ptsSeconds - first.value!.ptsSeconds;
      if (red! > 200 && green! + blue! < 100) break;
    }
    clearInterval(sending);
    // ffmpeg's own count would make it 0.04 s a frame.
    expect(laterSeconds).toBeGreaterThan((sentAtMs - firstSeenAtMs) / 1000 - 0.1);
    await server[Symbol.asyncDispose]();
  });

  test('gives each frame at once, without waiting for the next one', async () => {
    const bytes = await readFile(folder.file('first.flv'));
    // All of its 25 frames, and then silence with the connection open.
    await using server = await httpServer((_, response) => void response.writeHead(200).write(bytes));
    await using source = await open(`${server.url}/video`);
    expect(await read(source, 25)).toHaveLength(25);
  });

  test('that is a recording ends at its end, and nothing else does', async () => {
    await using server = await files();
    await using recording = await open(`${server.url}/recording.mp4`);
    expect(await read(recording)).toHaveLength(50);
    await recording.ended;

    const jpeg = await readFile(folder.file('still.jpg'));
    let end = (): void => {};
    await using motion = await httpServer((_, response) => {
      const { hush } = motionJpeg(response, jpeg, 20);
      end = () => {
        hush();
        response.end();
      };
    });
    await using endless = await open(`${motion.url}/video`);
    end();
    expect(await codeOf(read(endless))).toBe('SOURCE_UNREACHABLE');
  });

  test('that is a recording of few frames is taken at its own times, however fast it comes', async () => {
    await using server = await files();
    await using recording = await open(`${server.url}/slow.mp4`, { sampling: rate(5) });
    const [first, ...later] = (await read(recording)).map(({ ptsSeconds }) => ptsSeconds);
    expect(later.map((ptsSeconds) => Math.round(ptsSeconds - first!))).toEqual([60, 120, 180, 240]);
  });

  test('that is a playlist plays through the relay, which ffmpeg takes for its proxy too', async () => {
    await using server = await files();
    await using opened = await openAddress(`${server.url}/list.m3u8`);
    await using source = await openLiveSource(opened, options());
    expect(await read(source)).toHaveLength(50);
    await source.ended;
    expect(opened.refusal).toBeUndefined();
  });

  test('that is a recording of a kind that may end anywhere does not end where it breaks off', async () => {
    const bytes = await readFile(folder.file('recording.mkv'));
    await using server = await httpServer((_, response) => {
      response.writeHead(200, { 'content-length': bytes.byteLength });
      response.write(bytes.subarray(0, bytes.byteLength / 2), () => response.destroy());
    });
    await using opened = await openAddress(`${server.url}/recording.mkv`);
    await using recording = await openLiveSource(opened, options());
    expect(await codeOf(read(recording))).toBe('SOURCE_UNREACHABLE');
  });

  test('that changes its size goes on in the size of its first picture, and says the new one', async () => {
    const both = Buffer.concat(await Promise.all(['first.ts', 'second.ts'].map((name) => readFile(folder.file(name)))));
    await using server = await httpServer((_, response) => response.end(both));
    await using source = await open(`${server.url}/video`);
    expect(source.sourceSize).toEqual({ width: 320, height: 180 });
    let frames = 0;
    let lastSize = source.sourceSize;
    let failure: unknown;
    try {
      for await (const { image } of readFrames(source)) {
        expect(image).toMatchObject({ width: 320, height: 180 });
        frames += 1;
        lastSize = source.sourceSize;
      }
    } catch (thrown) {
      failure = thrown;
    }
    expect(failure === undefined || (failure as { code?: unknown }).code === 'SOURCE_UNREACHABLE').toBe(true);
    expect(frames).toBeGreaterThan(40);
    expect(lastSize).toEqual({ width: 160, height: 120 });
  });

  test('that is not there, or sends no video, cannot be opened, and the error names no address', async () => {
    await using server = await files();
    const failures: unknown[] = [];
    for (const url of [
      `${server.url}/nothing.mp4`.replace('//', '//user:pa55word@'),
      `${server.url}/sound.ts`,
      `${server.url}/still.jpg`,
      'rtmp://127.0.0.1:1/live/s3cretkey',
    ]) {
      failures.push(await open(url).catch((thrown: unknown) => thrown));
    }
    const texts = failures.map((failure) => {
      const { code, message, cause } = failure as { code: string; message: string; cause: Error };
      expect(code).toBe('SOURCE_UNREACHABLE');
      return `${message} ${cause.message}`;
    });
    expect(texts[0]).toContain('404');
    expect(texts[1]).toContain('no video');
    expect(texts[3]).toContain('refused the connection');
    expect(texts.join()).not.toMatch(/pa55word|s3cretkey|127\.0\.0\.1:\d/);
  });

  test.each([
    ['http', '/Streaming/Channels/401', 'cannot be connected to'],
    ['rtsp', '/Streaming/Channels/401', 'cannot be connected to'],
    ['rtsp', '/404', 'cannot be connected to'],
    ['rtmp', '/live/401', 'refused the connection'],
  ])('that is off says so, over %s, whatever numbers its address has: %s', async (scheme, path, message) => {
    const gone = await files();
    await gone[Symbol.asyncDispose]();
    await using opened = await openAddress(`${gone.url.replace('http', scheme)}${path}`);
    await expect(openLiveSource(opened, options())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining(message),
    });
  });

  test.each([
    [301, { location: '/again' }, 'redirects more than 5 times'],
    [200, { 'content-encoding': 'gzip' }, 'compresses its answer'],
    [503, {}, 'answers with status 503'],
    [404, {}, 'nothing at this address'],
  ] as const)('that answers %i with %o says why it shows nothing', async (status, headers, message) => {
    await using server = await httpServer((_, response) => response.writeHead(status, headers).end('x'));
    await using opened = await openAddress(`${server.url}/video`);
    await expect(openLiveSource(opened, options())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining(message),
    });
  });

  test('that answers and then says nothing is given up after the time to connect', async () => {
    await using server = await httpServer((_, response) => response.writeHead(200).flushHeaders());
    const beganAtMs = performance.now();
    const failure = await open(`${server.url}/video`, { connectSeconds: 0.5 }).catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ code: 'SOURCE_UNREACHABLE', message: expect.stringContaining('0.5 s') });
    expect(performance.now() - beganAtMs).toBeLessThan(8000);
  });

  test('reads nothing but media of its kind: a playlist that points at files of this machine opens none', async () => {
    const playlist = (target: string) =>
      `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${target}\n#EXT-X-ENDLIST\n`;
    await using server = await httpServer((_, response) => response.end(playlist(`file://${folder.file('first.ts')}`)));
    expect(await codeOf(open(`${server.url}/live.m3u8`))).toBe('SOURCE_UNREACHABLE');
  });

  test.each(['before', 'during'])('ends with ABORTED when its signal fires %s the connection', async (when) => {
    await using server = await httpServer((_, response) => response.writeHead(200).flushHeaders());
    const controller = new AbortController();
    if (when === 'before') controller.abort();
    const opening = open(`${server.url}/video`, { signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    expect(await codeOf(opening)).toBe('ABORTED');
  });

  test('leaves nothing in the signal of its stream, which outlives it', async () => {
    await using server = await files();
    const { signal } = new AbortController();
    for (let connection = 0; connection < 2; connection++) {
      await using source = await open(`${server.url}/recording.mp4`, { signal });
      await read(source, 1);
    }
    expect(await codeOf(open(`${server.url}/nothing.mp4`, { signal }))).toBe('SOURCE_UNREACHABLE');
    expect(leftIn(signal)).toBe(0);
  });

  test('that is given up by its owner ends with ABORTED', async () => {
    await using server = await RtmpCamera.start();
    const source = await open(server.url);
    await source[Symbol.asyncDispose]();
    expect(await codeOf(source.ended)).toBe('ABORTED');
  });

  test('whose ffmpeg is killed is lost', async () => {
    await using server = await RtmpCamera.start();
    await using source = await open(server.url);
    const frames = readFrames(source);
    await frames.next();
    process.kill(source.processId, 'SIGKILL');
    const reading = (async () => {
      for await (const _ of frames) {
        // Until it breaks.
      }
    })();
    expect(await codeOf(reading)).toBe('SOURCE_UNREACHABLE');
  });
});
