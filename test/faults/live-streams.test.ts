import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ffmpeg, temporaryFolder } from '../pipeline/support.ts';
import { openServer, type TestServer } from '../support/server.ts';
import { faultRounds, faultsOf, Observer, openStream, tracksOf } from './fixtures/observer.ts';
import { canServeRtsp, RtspCamera } from './fixtures/rtsp.ts';
import {
  camera,
  canServeSrt,
  freeUdpPort,
  httpServer,
  motionJpeg,
  RtmpCamera,
  Running,
  smallPhotograph,
} from './fixtures/sources.ts';

const hasRtsp = await canServeRtsp();
const hasSrt = await canServeSrt();

let server: TestServer;
beforeAll(async () => {
  // A source that has paused has so long to be heard again before it is given up, also on a machine that is busy.
  server = await openServer({ CONNECT_SECONDS: '60', STALL_SECONDS: '4', RECONNECT_MAX_SECONDS: '0.5' });
});
afterAll(() => server[Symbol.asyncDispose]());

async function observed(url: string, input: Record<string, unknown> = {}): Promise<Observer> {
  return new Observer(server, await openStream(server, url, input));
}

async function stop({ id }: Observer): Promise<void> {
  const { data } = await server.query('mutation ($id: ID!) { stopStream(id: $id) { status } }', { id });
  expect(data.stopStream.status).toBe('STOPPED');
}

/** A stream as everybody sees it: running, with faces, in order; then stopped. */
async function plays(observer: Observer): Promise<void> {
  await observer.more(4);
  expect(observer.names).toEqual(expect.arrayContaining(['RUNNING']));
  expect(faultsOf(observer.frames)).toEqual([]);
  expect(tracksOf(observer.frames).length).toBeGreaterThanOrEqual(2);
  for (const { width, height } of observer.frames) expect([width, height]).toEqual([640, 360]);
  await stop(observer);
  await observer.becomes('STOPPED');
}

describe.concurrent('estimates of a live source reach a graphql-ws subscriber', () => {
  test('over RTMP', async () => {
    await using source = await RtmpCamera.start();
    await using observer = await observed(source.url);
    await plays(observer);
  });

  test('over UDP', async () => {
    const port = await freeUdpPort();
    await using _source = new Running('ffmpeg', [...camera(), '-f', 'mpegts', `udp://127.0.0.1:${port}?pkt_size=1316`]);
    await using observer = await observed(`udp://127.0.0.1:${port}`);
    await plays(observer);
  });

  test.runIf(hasSrt)('over SRT', async () => {
    const port = await freeUdpPort();
    await using _source = new Running('ffmpeg', [...camera(), '-f', 'mpegts', `srt://127.0.0.1:${port}?mode=listener`]);
    await using observer = await observed(`srt://127.0.0.1:${port}`);
    await plays(observer);
  });

  test('over HTTP as motion JPEG', async () => {
    const jpeg = await smallPhotograph();
    await using source = await httpServer((_, response) => void motionJpeg(response, jpeg, 10));
    await using observer = await observed(`${source.url}/video`);
    await plays(observer);
  });

  test('over HTTP as HLS, a playlist that grows', async () => {
    await using folder = await temporaryFolder();
    const hls = ['-f', 'hls', '-hls_time', '1', '-hls_list_size', '4', '-hls_flags', 'delete_segments+temp_file'];
    await using _source = new Running('ffmpeg', [...camera(), ...hls, `${folder.path}/live.m3u8`]);
    await using web = await httpServer((path, response) => {
      readFile(join(folder.path, path)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await using observer = await observed(`${web.url}/live.m3u8`);
    await plays(observer);
  });

  test.runIf(hasRtsp).each(['tcp', 'udp'] as const)('over RTSP, its media over %s', async (transport) => {
    await using source = await RtspCamera.start(transport);
    await using observer = await observed(source.url);
    await plays(observer);
  });
});

describe.concurrent('a live stream whose source', () => {
  test('is killed and comes back goes on with its sequence, its tracks and its time', async () => {
    await using source = await RtmpCamera.start();
    await using observer = await observed(source.url);
    await observer.more(4);
    await source.kill();
    await observer.becomes('RECONNECTING');
    await observer.until('tried again', () => (observer.statuses.at(-1)?.connection?.attempt ?? 0) >= 2);
    const { connection } = observer.statuses.at(-1)!;
    expect(connection).toMatchObject({ problem: { code: 'SOURCE_UNREACHABLE' }, reconnects: 0 });
    expect(connection!.nextTryAt).not.toBeNull();
    const framesBefore = observer.frames.length;
    const tracksBefore = tracksOf(observer.frames);
    source.back();
    await observer.becomes('RUNNING');
    await observer.more(4);
    expect(observer.statuses.at(-1)?.connection).toEqual({ attempt: 0, nextTryAt: null, problem: null, reconnects: 1 });
    expect(faultsOf(observer.frames)).toEqual([]);
    // The faces were away for longer than tracks are kept: they get new numbers, never old ones of others.
    const tracksAfter = tracksOf(observer.frames.slice(framesBefore));
    for (const number of tracksAfter.filter((one) => !tracksBefore.includes(one))) {
      expect(number).toBeGreaterThan(Math.max(...tracksBefore));
    }
    await stop(observer);
  });

  test('comes back within the time of the tracks keeps them', async () => {
    await using source = await RtmpCamera.start();
    await using observer = await observed(source.url, { trackMissSeconds: 60 });
    await observer.more(4);
    const tracks = tracksOf(observer.frames);
    const framesBefore = observer.frames.length;
    await source.kill();
    await observer.becomes('RECONNECTING');
    source.back();
    await observer.becomes('RUNNING');
    await observer.more(4);
    expect(tracksOf(observer.frames.slice(framesBefore + 1))).toEqual(tracks);
    await stop(observer);
  });

  test('falls silent without a word is STALLED, then given up and called again', async () => {
    const jpeg = await smallPhotograph();
    let speaking: { hush(): void } | null = null;
    await using source = await httpServer((_, response) => {
      speaking = motionJpeg(response, jpeg, 10);
    });
    await using observer = await observed(`${source.url}/video`);
    await observer.more(3);
    speaking!.hush();
    await observer.until('called again', () => observer.statuses.at(-1)?.connection?.reconnects === 1);
    expect(observer.names).toEqual(expect.arrayContaining(['RUNNING', 'STALLED', 'RECONNECTING']));
    const lost = observer.statuses.find(({ status }) => status === 'RECONNECTING');
    expect(lost?.connection?.problem?.message).toMatch(/no frame for/);
    await observer.more(2);
    expect(faultsOf(observer.frames)).toEqual([]);
    await stop(observer);
  });

  test.runIf(hasRtsp)(
    'pauses and speaks again before it is given up is RUNNING again on the same connection',
    async () => {
      await using source = await RtspCamera.start();
      await using observer = await observed(source.url);
      await observer.more(3);
      source.silence();
      await observer.becomes('STALLED');
      source.speak();
      await observer.becomes('RUNNING');
      expect(observer.statuses.at(-1)?.connection).toMatchObject({ reconnects: 0 });
      await observer.more(3);
      expect(faultsOf(observer.frames)).toEqual([]);
      await stop(observer);
    },
  );

  test('sends garbage is called again and again, and disturbs no other stream', async () => {
    await using garbage = await httpServer((_, response) => {
      response.write(Buffer.alloc(200_000, 'garbage'));
      setTimeout(() => response.destroy(), 100);
    });
    await using source = await RtmpCamera.start();
    await using good = await observed(source.url);
    await using bad = await observed(`${garbage.url}/video`);
    await bad.until('tried thrice', () => (bad.statuses.at(-1)?.connection?.attempt ?? 0) >= 3);
    expect(bad.names).not.toContain('RUNNING');
    await good.more(4);
    expect(good.names).not.toContain('RECONNECTING');
    await stop(bad);
    await stop(good);
  });

  test('loses its ffmpeg gets another', async () => {
    await using source = await RtmpCamera.start();
    await using observer = await observed(source.url);
    await observer.more(3);
    await killReaderOf(source.url);
    await observer.becomes('RECONNECTING');
    await observer.becomes('RUNNING');
    await observer.more(3);
    expect(faultsOf(observer.frames)).toEqual([]);
    await stop(observer);
  });

  test('changes its resolution goes on and tells the new one', async () => {
    await using source = await RtmpCamera.start();
    await using observer = await observed(source.url);
    await observer.more(3);
    await source.kill();
    await observer.becomes('RECONNECTING');
    source.back({ width: 320, height: 240 });
    await observer.until('a frame of the new size', () => observer.frames.at(-1)?.width === 320);
    expect(observer.frames.at(-1)).toMatchObject({ width: 320, height: 240 });
    expect(faultsOf(observer.frames)).toEqual([]);
    await stop(observer);
  });
});

test('a recording over HTTP is scored frame by frame with EVERY, and COMPLETED at its end', async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/recording.ts`;
  await ffmpeg(
    ...camera({ seconds: 1 }).filter((word) => word !== '-re'),
    '-f',
    'mp4',
    '-movflags',
    '+faststart',
    path,
  );
  const bytes = await readFile(path);
  await using source = await httpServer((_, response) =>
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes),
  );
  await using observer = await observed(`${source.url}/recording`, { delivery: 'EVERY', framesPerSecond: 25 });
  await observer.becomes('COMPLETED');
  await observer.until('all frames', () => observer.frames.length >= 25);
  expect(faultsOf(observer.frames)).toEqual([]);
  expect(observer.frames.every(({ skippedBefore }) => skippedBefore === 0)).toBe(true);
  await stopped(observer.id);
});

const ROUNDS = faultRounds(2);

test.runIf(hasRtsp)(
  'an RTSP server that is killed and comes back again and again is read again each time, without a gap or a repetition',
  async () => {
    await using source = await RtspCamera.start();
    await using observer = await observed(source.url, { trackMissSeconds: 60 });
    await observer.more(3);
    const tracks = tracksOf(observer.frames);
    for (let round = 1; round <= ROUNDS; round += 1) {
      await source.kill();
      await observer.becomes('RECONNECTING');
      await source.back();
      await observer.until('called again', () => observer.statuses.at(-1)?.connection?.reconnects === round);
      await observer.more(3);
    }
    expect(faultsOf(observer.frames)).toEqual([]);
    expect(tracksOf(observer.frames)).toEqual(tracks);
    const { data } = await server.query(
      'query ($id: ID!) { stream(id: $id) { frames(first: 1000) { nodes { sequence ptsSeconds } } } }',
      { id: observer.id },
    );
    const stored = data.stream.frames.nodes.slice(0, observer.frames.length);
    expect(stored).toEqual(observer.frames.map(({ sequence, ptsSeconds }) => ({ sequence, ptsSeconds })));
    await stop(observer);
  },
  180_000 + ROUNDS * 60_000,
);

/** A stream that has ended already is returned as it is. */
async function stopped(id: string): Promise<void> {
  const { data } = await server.query('mutation ($id: ID!) { stopStream(id: $id) { status } }', { id });
  expect(data.stopStream.status).toBe('COMPLETED');
}

/** Kills the ffmpeg that reads an address, not the one that serves it. */
async function killReaderOf(url: string): Promise<void> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words[0] === 'ffmpeg' && words.includes('-i') && words[words.indexOf('-i') + 1] === url) {
      process.kill(Number(name), 'SIGKILL');
    }
  }
}
