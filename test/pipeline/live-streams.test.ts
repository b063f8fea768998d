import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamRecord } from '../../src/domain.ts';
import type { Pipeline } from '../../src/pipeline/index.ts';
import { type RunningPipeline, startPipeline } from '../../src/start-pipeline.ts';
import { freePort, httpServer, motionJpeg, smallPhotograph } from '../faults/fixtures/sources.ts';
import { type LoopbackGate, loopbackGate } from '../support/loopback-gate.ts';
import { allFrames, ended, framesStored, temporaryFolder, testConfig } from './support.ts';

const SETTINGS = {
  MAX_LIVE_STREAMS: '2',
  RECONNECT_ATTEMPTS: '2',
  RECONNECT_MAX_SECONDS: '0.1',
  CONNECT_SECONDS: '30',
  STALL_SECONDS: '5',
};

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: RunningPipeline;
let gate: LoopbackGate;
let lines: string[];
let source: Awaited<ReturnType<typeof httpServer>>;
let url: string;

function open(dataDir: string, theGate: LoopbackGate): Promise<RunningPipeline> {
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  return startPipeline(testConfig(dataDir, SETTINGS), { log, gate: theGate });
}

beforeAll(async () => {
  folder = await temporaryFolder();
  const jpeg = await smallPhotograph();
  source = await httpServer((path, response) => {
    if (path.startsWith('/video')) motionJpeg(response, jpeg, 10);
    else response.writeHead(404).end();
  });
  url = `${source.url}/video`;
  lines = [];
  gate = loopbackGate();
  running = await open(join(folder.path, 'data'), gate);
});

afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** The first state of a stream that is as wanted. */
async function becomes(pipeline: Pipeline, id: string, status: StreamRecord['status']): Promise<StreamRecord> {
  for await (const stream of pipeline.subscribeStatus(id)) if (stream.status === status) return stream;
  throw new Error(`the stream ended before it was ${status}`);
}

/** Describes a picture and refuses to send it: whoever asks says before how it wants to have it. */
async function rtspServer() {
  const sdp = 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n';
  const heard = new EventEmitter<{ setup: [transport: string] }>();
  const server = createServer((socket) => {
    socket.setEncoding('latin1').on('error', () => {});
    socket.on('data', (request: string) => {
      const [, sequence] = /CSeq: (\d+)/.exec(request)!;
      const isDescribe = request.startsWith('DESCRIBE');
      const isSetup = request.startsWith('SETUP');
      if (isSetup) heard.emit('setup', /Transport: (.*)/.exec(request)![1]!);
      const body = isDescribe ? `Content-Type: application/sdp\r\nContent-Length: ${sdp.length}\r\n\r\n${sdp}` : '\r\n';
      socket.write(`RTSP/1.0 ${isSetup ? '461 Unsupported Transport' : '200 OK'}\r\nCSeq: ${sequence}\r\n${body}`);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/camera`,
    nextTransport: async (): Promise<string> => (await once(heard, 'setup'))[0] as string,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

describe('a live stream', () => {
  it('is CONNECTING at once, RUNNING with its first frame, and STOPPED with all that it had stored', async () => {
    const { pipeline, store } = running;
    const opened = await pipeline.openStream({ url: url.replace('//', '//user:pa55word@'), maxWidthPixels: 320 });
    expect(opened).toMatchObject({
      kind: 'LIVE',
      status: 'CONNECTING',
      name: url,
      sampling: { kind: 'RATE', framesPerSecond: 5 },
      live: { address: url, delivery: 'LATEST', maxWidthPixels: 320, reconnects: 0, retry: null },
      startedAt: null,
    });
    const now = await becomes(pipeline, opened.id, 'RUNNING');
    expect(now.startedAt).not.toBeNull();
    await framesStored(pipeline, opened.id, 4);
    expect(await pipeline.progress(opened.id)).toMatchObject({
      share: null,
      mediaSecondsTotal: null,
      etaSeconds: null,
    });
    const stopped = await pipeline.stopStream(opened.id);
    expect(stopped).toMatchObject({ status: 'STOPPED', error: null });
    expect(await pipeline.stopStream(opened.id)).toEqual(stopped);

    const frames = await allFrames(store, opened.id);
    expect(frames.map(({ sequence }) => sequence)).toEqual([...frames.keys()]);
    for (const frame of frames) {
      expect(frame).toMatchObject({ width: 640, height: 360 });
      // Arrived when it was captured, as far as anybody knows.
      const openForSeconds = (frame.capturedAt!.getTime() - opened.createdAt.getTime()) / 1000;
      expect(Math.abs(frame.ptsSeconds - openForSeconds)).toBeLessThan(5);
      expect(frame.latencyMs).toBeGreaterThan(0);
    }
    const { framesDone, framesSkipped } = await pipeline.progress(opened.id);
    expect(framesDone).toBe(frames.length);
    expect(framesSkipped).toBe(frames.reduce((sum, { skippedBefore }) => sum + skippedBefore, 0));
    expect(pipeline.statistics().liveStreams).toBe(0);
    expect(JSON.stringify([stopped, frames])).not.toContain('pa55word');
    expect(lines.join()).not.toContain('pa55word');
  });

  it('is deleted while it runs, without a trace', async () => {
    const { pipeline, store } = running;
    const { id } = await pipeline.openStream({ url, name: 'door', maxWidthPixels: 320 });
    await framesStored(pipeline, id, 2);
    expect((await pipeline.deleteStream(id)).frames).toBeGreaterThanOrEqual(2);
    expect(await store.stream(id)).toBeNull();
    expect(await store.secretAddress(id)).toBeNull();
    expect(pipeline.statistics().liveStreams).toBe(0);
  });

  it('is stopped at once while its source cannot be reached', async () => {
    const { pipeline } = running;
    const { id } = await pipeline.openStream({ url: `http://127.0.0.1:${await freePort()}/video` });
    await becomes(pipeline, id, 'RECONNECTING');
    const stopped = await pipeline.stopStream(id);
    expect(stopped.status).toBe('STOPPED');
    expect(stopped.live?.retry).toBeNull();
  });

  it('FAILED after as many tries as are allowed, and says why', async () => {
    const { pipeline, store } = running;
    const { id } = await pipeline.openStream({ url: `${source.url}/nothing` });
    const attempts: number[] = [];
    for await (const { live } of pipeline.subscribeStatus(id)) if (live?.retry) attempts.push(live.retry.attempt);
    expect(attempts).toEqual([1, 2]);
    const failed = (await store.stream(id))!;
    expect(failed).toMatchObject({ status: 'FAILED', error: { code: 'SOURCE_UNREACHABLE' }, live: { retry: null } });
    expect(failed.error?.message).toMatch(/404.*after 2 tries/);
    expect(await store.secretAddress(id)).toBeNull();
  });

  it('FAILED at once when its address may no longer be opened', async () => {
    const own = loopbackGate();
    await using other = await open(join(folder.path, 'refused'), own);
    const { id } = await other.pipeline.openStream({ url, maxWidthPixels: 320 });
    await becomes(other.pipeline, id, 'RUNNING');
    own.refuse();
    source.cut();
    expect(await ended(other.pipeline, id)).toMatchObject({ status: 'FAILED', error: { code: 'ADDRESS_REFUSED' } });
  });

  it('is refused when the address may not be opened, the words are wrong, or all places are taken', async () => {
    const { pipeline, store } = running;
    const before = (await store.streams({ first: 100 })).items.length;
    await expect(pipeline.openStream({ url: 'http://10.0.0.1/video' })).rejects.toMatchObject({
      code: 'ADDRESS_REFUSED',
    });
    await expect(pipeline.openStream({ url: 'file:///etc/passwd' })).rejects.toMatchObject({ code: 'BAD_INPUT' });
    await expect(pipeline.openStream({ url, framesPerSecond: -1 })).rejects.toMatchObject({ code: 'BAD_INPUT' });
    expect((await store.streams({ first: 100 })).items).toHaveLength(before);

    const nowhere = `http://127.0.0.1:${await freePort()}/video`;
    const [first, second] = await Promise.all([
      pipeline.openStream({ url: nowhere }),
      pipeline.openPush({ name: 'a browser' }),
    ]);
    await expect(pipeline.openStream({ url })).rejects.toMatchObject({ code: 'OVERLOADED' });
    await expect(pipeline.openPush({ name: 'another' })).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(pipeline.statistics()).toMatchObject({ liveStreams: 2, liveStreamsRefused: 2 });
    await Promise.all([first, second].map(({ id }) => pipeline.deleteStream(id)));
    const third = await pipeline.openPush({ name: 'a third' });
    await pipeline.deleteStream(third.id);
  });

  it('asks for the transport of RTSP that was chosen, also after a restart of the server', async () => {
    await using server = await rtspServer();
    const dataDir = join(folder.path, 'transport');
    for (const isRestart of [false, true]) {
      await using own = await open(dataDir, loopbackGate());
      if (!isRestart) await own.pipeline.openStream({ url: server.url, rtspTransport: 'UDP' });
      expect(await server.nextTransport()).toMatch(/^RTP\/AVP(\/UDP)?;/);
    }
  });

  it('comes back after a stop of the server, with its sequence, its tracks and its time going on', async () => {
    const dataDir = join(folder.path, 'back');
    const secret = url.replace('//', '//user:pa55word@');
    let id: string;
    {
      await using first = await open(dataDir, loopbackGate());
      ({ id } = await first.pipeline.openStream({ url: secret, trackMissSeconds: 60, maxWidthPixels: 640 }));
      await framesStored(first.pipeline, id, 3);
    }
    await using second = await open(dataDir, loopbackGate());
    const { pipeline, store } = second;
    const before = (await allFrames(store, id)).length;
    expect(pipeline.statistics().liveStreams).toBe(1);
    await becomes(pipeline, id, 'RUNNING');
    await framesStored(pipeline, id, before + 3);
    await pipeline.stopStream(id);
    const frames = await allFrames(store, id);
    expect(frames.map(({ sequence }) => sequence)).toEqual([...frames.keys()]);
    const times = frames.map(({ ptsSeconds }) => ptsSeconds);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    const tracks = (some: typeof frames) => new Set(some.flatMap(({ faces }) => faces.map((one) => one.trackNumber)));
    expect(tracks(frames.slice(before))).toEqual(tracks(frames.slice(0, before)));
  });
});
