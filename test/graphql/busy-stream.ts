/** A server with one running stream whose large frames a test publishes itself, so that slow clients fall behind at will. */
import { pino } from 'pino';
import type { FrameEstimate, StreamRecord } from '../../src/domain.ts';
import { ClosingStack } from '../../src/flow/index.ts';
import { startServer } from '../../src/graphql/index.ts';
import { createHub, type Hub } from '../../src/publish/index.ts';
import { openPipeline, temporaryFolder, testConfig } from '../pipeline/support.ts';

export const STREAM_ID = 'busy';
/** Frames that the hub keeps for a slow subscriber. */
export const BUFFER_FRAMES = 4;

/** Asks for some 80,000 bytes a frame, so that a stalled socket fills soon. */
export const WATCH_ALL = `subscription { frames(streamId: "${STREAM_ID}", fromStart: false) { sequence droppedBefore
  faces { box { x y width height } landmarks { name x y } expressions { expression probability } } } }`;

export interface BusyServer extends AsyncDisposable {
  readonly url: string;
  readonly hub: Hub;
  /** Publishes the frame of this number. */
  publish(sequence: number): void;
  /** Ends the server alone. */
  stop(): Promise<void>;
}

/** `stored`: what a subscriber gets of the past. Every stream that is asked for is there, and runs. */
export async function openBusyServer(stored: readonly FrameEstimate[] = []): Promise<BusyServer> {
  const parts = new ClosingStack();
  const folder = parts.own(await temporaryFolder());
  const { pipeline, store, keyring } = parts.own(await openPipeline(folder.path));
  const stream = { id: STREAM_ID, status: 'RUNNING' } as StreamRecord;
  const hub = parts.own(
    createHub({
      bufferFrames: BUFFER_FRAMES,
      replay: async (id, after) => stored.filter(({ streamId, sequence }) => streamId === id && sequence > after),
      streamNow: async () => stream,
    }),
  );
  const busy = Object.assign(Object.create(pipeline) as typeof pipeline, { subscribeFrames: hub.frames.bind(hub) });
  const config = testConfig(folder.path, { PORT: '0' });
  const server = parts.own(
    await startServer({ config, pipeline: busy, store, keyring, log: pino({ level: 'silent' }) }),
  );
  return {
    url: server.url,
    hub,
    publish: (sequence) => hub.publish(busyFrame(sequence)),
    async stop() {
      await server[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
}

/** Looks again and again, a millisecond apart, until it holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

export function busyFrame(sequence: number, { streamId = STREAM_ID, faces = 100 } = {}): FrameEstimate {
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
    streamId,
    sequence,
    ptsSeconds: sequence / 25,
    capturedAt: null,
    width: 640,
    height: 360,
    faces: Array.from({ length: faces }, (_, index) => face(index + 1)),
    skippedBefore: 0,
    latencyMs: 1,
  };
}
