import { pino } from 'pino';
import { expect, test } from 'vitest';
import WebSocket from 'ws';
import type { FrameEstimate, StreamRecord } from '../../src/domain.ts';
import { startServer } from '../../src/graphql/index.ts';
import { createHub } from '../../src/publish/index.ts';
import { openPipeline, temporaryFolder, testConfig } from '../pipeline/support.ts';

const STREAM_ID = 'busy';
const FRAMES = 400;
const BUFFER = 4;

/** A frame with so many faces that its message is some hundred thousand bytes, so that a stalled socket fills soon. */
function frame(sequence: number): FrameEstimate {
  const affect = { valence: 0.123456789, arousal: -0.123456789 };
  const point = { x: 0.123456789, y: 0.987654321 };
  const face = (trackNumber: number) => ({
    trackNumber,
    box: { ...point, width: 0.1, height: 0.1 },
    landmarks: { rightEye: point, leftEye: point, noseTip: point, mouthCentre: point, rightEar: point, leftEar: point },
    score: 0.9,
    affect,
    smoothed: affect,
    expressions: Array.from({ length: 8 }, () => 0.125),
    uncertainty: 0.2,
  });
  return {
    streamId: STREAM_ID,
    sequence,
    ptsSeconds: sequence / 25,
    capturedAt: null,
    width: 640,
    height: 360,
    faces: Array.from({ length: 100 }, (_, index) => face(index + 1)),
    skippedBefore: 0,
    latencyMs: 1,
  };
}

test('a subscriber that stalls is bounded in memory and told what it lost, while another gets every frame', async () => {
  await using folder = await temporaryFolder();
  await using parts = await openPipeline(folder.path);
  const stream = { id: STREAM_ID, status: 'RUNNING' } as StreamRecord;
  await using hub = createHub({ bufferFrames: BUFFER, replay: async () => [], streamNow: async () => stream });
  const pipeline = Object.assign(Object.create(parts.pipeline) as typeof parts.pipeline, {
    subscribeFrames: hub.frames.bind(hub),
  });
  const config = testConfig(folder.path, { PORT: '0' });
  await using server = await startServer({ config, pipeline, store: parts.store, log: pino({ level: 'silent' }) });
  const stalled = await subscriber(server.url);
  const quick = await subscriber(server.url);
  while (hub.statistics().frameSubscribers < 2) await moment();

  hub.publish(frame(0));
  while (stalled.got.length === 0 || quick.got.length === 0) await moment();
  stalled.socket.pause();
  for (let sequence = 1; sequence < FRAMES; sequence++) {
    hub.publish(frame(sequence));
    while (quick.got.length <= sequence) await moment();
  }
  const droppedWhileStalled = hub.statistics().framesDropped;
  expect(droppedWhileStalled).toBeGreaterThan(0);
  hub.endStream(STREAM_ID);
  stalled.socket.resume();
  await Promise.all([stalled.ended, quick.ended]);

  expect(quick.got.map(({ sequence }) => sequence)).toEqual(Array.from({ length: FRAMES }, (_, index) => index));
  const lost = stalled.got.reduce((sum, { droppedBefore }) => sum + droppedBefore, 0);
  expect(lost).toBe(droppedWhileStalled);
  expect(stalled.got.length + lost).toBe(FRAMES);
  expect(stalled.got.at(-1)?.sequence).toBe(FRAMES - 1);
  stalled.socket.terminate();
  quick.socket.terminate();
});

async function subscriber(url: string) {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws');
  const got: { readonly sequence: number; readonly droppedBefore: number }[] = [];
  const query = `subscription { frames(streamId: "${STREAM_ID}") { sequence droppedBefore
    faces { box { x y width height } landmarks { name x y } expressions { expression probability } } } }`;
  const ended = new Promise<void>((resolve, reject) => {
    socket.once('close', () => reject(new Error('the server closed the socket')));
    socket.on('message', (bytes) => {
      const message = JSON.parse(String(bytes)) as { type: string; payload: { data: { frames: (typeof got)[0] } } };
      // Nothing may be asked for before the connection is acknowledged.
      if (message.type === 'connection_ack') {
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
      }
      if (message.type === 'next') got.push(message.payload.data.frames);
      if (message.type === 'complete') resolve();
    });
  });
  // It is looked at only at the test's end; until then its failure is nobody's.
  ended.catch(() => undefined);
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(JSON.stringify({ type: 'connection_init' }));
  return { socket, got, ended };
}

function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
