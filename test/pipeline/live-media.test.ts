/** Playlists and recordings as live sources, from real servers through the real gate, to their ends and over their losses. */
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LiveState, Sampling, StreamWarning } from '../../src/domain.ts';
import { toAppError } from '../../src/errors.ts';
import { createAddressGate, LiveClock } from '../../src/ingest/index.ts';
import { type LiveFramesOptions, liveFrames } from '../../src/pipeline/live-frames.ts';
import { LivePace } from '../../src/pipeline/live-pace.ts';
import { folderOf, httpSource } from '../ingest/fixtures/http-source.ts';
import { type MediaFolder, mediaFolder, pattern, rate } from '../ingest/fixtures/media.ts';

const LIMITS = {
  connectSeconds: 30,
  stallSeconds: 10,
  reconnectAttempts: 1000,
  reconnectMaxSeconds: 0.1,
  mediaMemoryBytes: 0,
};

let media: MediaFolder;
beforeAll(async () => {
  media = await mediaFolder();
  const x264 = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p';
  const hls = '-f hls -hls_list_size 0';
  await media.ffmpeg(`${pattern('64x48', 10, 10)} ${x264} -g 10 ${hls} -hls_time 1 {second.m3u8}`);
  await media.ffmpeg(`${pattern('64x48', 10, 24)} ${x264} -g 30 ${hls} -hls_time 3 {three.m3u8}`);
  await media.ffmpeg(`${pattern('64x48', 10, 10)} ${x264} -g 10 -movflags +faststart {recording.mp4}`);
  await media.ffmpeg(`-f lavfi -i testsrc2=s=64x48:r=1/60:d=600 ${x264} -movflags +faststart {slow.mp4}`);
});
afterAll(() => media[Symbol.asyncDispose]());

interface Watched {
  readonly times: number[];
  readonly states: LiveState[];
  readonly warnings: StreamWarning[];
  readonly pace: LivePace;
  /** `null` for a good end. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

interface Wish {
  readonly sampling?: Sampling;
  readonly limits?: Partial<LiveFramesOptions['limits']>;
  readonly fromFirst?: boolean;
  /** Stops the stream once it holds; asked with every frame and every state. Default never. */
  readonly enough?: (seen: Pick<Watched, 'times' | 'states'>) => boolean;
  /** How much longer it then goes on, for what should not come. Default 0. */
  readonly thenMs?: number;
}

/** Nothing here takes so long unless it hangs. */
const LONGEST_MS = 150_000;

async function watch(address: string, wish: Wish = {}): Promise<Watched> {
  const { sampling = { kind: 'EVERY_FRAME' }, fromFirst = true, enough = () => false, thenMs = 0 } = wish;
  const limits = { ...LIMITS, ...wish.limits };
  const pace = new LivePace(limits, sampling);
  const [times, states, warnings]: [number[], LiveState[], StreamWarning[]] = [[], [], []];
  const stop = new AbortController();
  let isEnough = false;
  const look = (): void => {
    if (isEnough || !enough({ times, states })) return;
    isEnough = true;
    setTimeout(() => stop.abort(), thenMs);
  };
  const frames = liveFrames({
    gate: createAddressGate({ allowedHosts: ['127.0.0.1'] }),
    address,
    sampling,
    maxSidePixels: 640,
    maxWidthPixels: null,
    fromFirst,
    rtspTransport: 'AUTO',
    clock: new LiveClock({ openedAtMs: Date.now(), lastPtsSeconds: null }),
    pace,
    hasPlayed: false,
    limits,
    async report(state) {
      states.push(state);
      look();
    },
    warn: (more) => void warnings.push(...more),
    log: pino({ level: 'silent' }),
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(LONGEST_MS)]),
  });
  try {
    for await (const { ptsSeconds } of frames) {
      times.push(ptsSeconds);
      look();
    }
    return { times, states, warnings, pace, error: null };
  } catch (thrown) {
    return { times, states, warnings, pace, error: toAppError(thrown) };
  }
}

function statuses({ states }: Watched): readonly LiveState['status'][] {
  return states.map(({ status }) => status);
}

/** A list of the segments of one that ffmpeg made, from one to before another. */
function list(name: string, seconds: number, from: number, to: number): string {
  const head = `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:${seconds}\n#EXT-X-MEDIA-SEQUENCE:${from}\n`;
  const segments = Array.from({ length: to - from }, (_, index) => `#EXTINF:${seconds},\n${name}${from + index}.ts\n`);
  return head + segments.join('');
}

/** Serves the folder, and for every playlist what `playlist` makes of the seconds since it was asked for first. */
function playlistServer(playlist: (seconds: number) => string | null) {
  let beganAtMs: number | null = null;
  const files = folderOf(media.path);
  return httpSource((request, response) => {
    if (!request.url!.endsWith('.m3u8')) return files(request, response);
    beganAtMs ??= performance.now();
    const text = playlist((performance.now() - beganAtMs) / 1000);
    if (text === null) response.writeHead(503).end();
    else response.end(text);
  });
}

describe('a live playlist', () => {
  /** A window of three segments of three seconds each. */
  const window = (seconds: number): string => {
    const first = Math.floor(seconds / 3);
    return list('three', 3, first, first + 3);
  };

  it('is not silent between two of its segments, however long they are', async () => {
    await using server = await playlistServer(window);
    // The three segments that were there, and two that came later.
    const watched = await watch(`${server.origin}/live.m3u8`, {
      limits: { stallSeconds: 1 },
      enough: ({ times }) => times.length > 120,
    });
    expect(watched.error).toBeNull();
    expect(statuses(watched)).toEqual(['RUNNING']);
    expect(watched.pace).toMatchObject({ stallSeconds: 6, maxGapSeconds: 6 });
  });

  it.each([
    ['its newest segment for who wants the latest frames', false, 30],
    ['some segments before for who wants every frame', true, 90],
  ])('is entered at %s', async (_, fromFirst, frames) => {
    await using server = await playlistServer(() => list('three', 3, 2, 6));
    const watched = await watch(`${server.origin}/live.m3u8`, {
      fromFirst,
      enough: ({ times, states }) => times.length > frames - 10 || states.length > 1,
      thenMs: 1000,
    });
    expect(watched.error).toBeNull();
    expect(statuses(watched)).toEqual(['RUNNING']);
    expect(watched.times.length).toBeGreaterThan(frames - 10);
    expect(watched.times.length).toBeLessThanOrEqual(frames);
  });

  it('that says that it has ended has ended, and is not read again', async () => {
    await using server = await playlistServer((seconds) => {
      const whole = list('second', 1, 0, Math.min(8, 5 + Math.floor(seconds)));
      return whole.replace('\n', '\n#EXT-X-PLAYLIST-TYPE:EVENT\n') + (seconds > 4 ? '#EXT-X-ENDLIST\n' : '');
    });
    const watched = await watch(`${server.origin}/event.m3u8`);
    expect(watched).toMatchObject({ error: null, warnings: [] });
    expect(statuses(watched)).toEqual(['RUNNING']);
    expect(watched.times.length).toBeLessThanOrEqual(60);
  });

  it('with a segment that is refused is called again when it is lost later', async () => {
    let lists = 0;
    let isBack = false;
    await using server = await playlistServer(() => {
      const first = lists++;
      if (first >= 3 && !isBack) return null;
      const text = list('second', 1, first % 6, (first % 6) + 3).replace(`SEQUENCE:${first % 6}`, `SEQUENCE:${first}`);
      return isBack ? text : text.replace('second3.ts', 'http://127.0.0.2:9999/advertisement.ts');
    });
    const watched = await watch(`${server.origin}/live.m3u8`, {
      enough({ states }) {
        isBack = states.some(({ status }) => status === 'RECONNECTING');
        return states.filter(({ status }) => status === 'RUNNING').length > 1;
      },
    });
    expect(watched.error).toBeNull();
    expect(statuses(watched)).toEqual(['RUNNING', 'RECONNECTING', 'RUNNING']);
  });
});

describe('a recording as a live source', () => {
  /** Serves a file, of which so many bytes come. */
  function brokenServer(bytes: Buffer, length: () => number) {
    return httpSource((request, response) => {
      const [, from = '0'] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
      const start = Number(from);
      response.writeHead(start === 0 ? 200 : 206, {
        'accept-ranges': 'bytes',
        'content-length': bytes.length - start,
        ...(start === 0 ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
      });
      response.write(bytes.subarray(start, Math.max(start, length())), () => response.destroy());
    });
  }

  it.each([
    ['is cut off', true],
    ['always breaks off at the same place', false],
  ])('that %s is read once as far as it goes, and ends with a warning', async (_, isCut) => {
    const whole = await readFile(media.file('recording.mp4'));
    const half = Math.floor(whole.length / 2);
    await using server = isCut
      ? await brokenServer(whole.subarray(0, half), () => half)
      : await brokenServer(whole, () => half);
    const watched = await watch(`${server.origin}/recording.mp4`);
    expect(watched.error).toBeNull();
    expect(watched.warnings).toEqual([
      { code: 'MEDIA_DAMAGED', message: expect.stringContaining('breaks off'), count: 1 },
    ]);
    expect(watched.times.length).toBeGreaterThan(20);
    expect(watched.times.length).toBeLessThan(90);
    expect(statuses(watched)).toEqual(['RUNNING', ...Array.from({ length: 5 }, () => 'RECONNECTING')]);
  });

  it('whose server breaks off and comes back goes on where it was, in the same time', async () => {
    const whole = await readFile(media.file('recording.mp4'));
    let calls = 0;
    await using server = await brokenServer(whole, () => {
      calls += 1;
      return Math.floor((whole.length * Math.min(calls, 4)) / 4);
    });
    const watched = await watch(`${server.origin}/recording.mp4`);
    expect(watched).toMatchObject({ error: null, warnings: [] });
    expect(watched.times).toHaveLength(100);
    const first = watched.times[0]!;
    for (const [index, seconds] of watched.times.entries()) expect(seconds - first).toBeCloseTo(index / 10, 3);
  });

  it('of few frames is not interrupted between them', async () => {
    await using server = await httpSource(folderOf(media.path));
    const watched = await watch(`${server.origin}/slow.mp4`, { sampling: rate(5) });
    expect(watched.error).toBeNull();
    expect(watched.times).toHaveLength(10);
    expect(watched.pace.maxGapSeconds).toBe(Number.POSITIVE_INFINITY);
  });

  it('in segments whose server dies midway ends as far as it goes, with a warning', async () => {
    const files = folderOf(media.path);
    await using server = await httpSource((request, response) => {
      if (/second[5-9]/.test(request.url!)) return void response.destroy();
      files(request, response);
    });
    const watched = await watch(`${server.origin}/second.m3u8`);
    expect(watched.error).toBeNull();
    expect(watched.times).toHaveLength(50);
    expect(watched.warnings).toMatchObject([{ code: 'MEDIA_DAMAGED', message: expect.stringContaining('breaks off') }]);
  });

  it('in segments of which some are missing is read to its end, with a warning', async () => {
    const files = folderOf(media.path);
    await using server = await httpSource((request, response) => {
      if (/second[34]/.test(request.url!)) return void response.writeHead(404).end();
      files(request, response);
    });
    const watched = await watch(`${server.origin}/second.m3u8`);
    expect(watched.error).toBeNull();
    expect(watched.times).toHaveLength(80);
    expect(watched.warnings).toMatchObject([{ code: 'MEDIA_DAMAGED', count: 2 }]);
    expect(statuses(watched)).toEqual(['RUNNING']);
  });
});
