/**
 * Messages a second to subscribers who all ask the same of one live stream, beside a plain `ws` server that sends the
 * same bytes to as many clients. Both take turns in one run, with the clients in another process.
 *
 *     npx tsx bench/fan-out.ts [--subscribers 100] [--rounds 10] [--seconds 0.4]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { WebSocketServer } from 'ws';
import { openKeyring } from '../src/access/index.ts';
import { loadConfig } from '../src/config.ts';
import type { FrameEstimate, StreamRecord } from '../src/domain.ts';
import { scriptLaunch } from '../src/flow/index.ts';
import { startServer } from '../src/graphql/index.ts';
import type { Pipeline } from '../src/pipeline/index.ts';
import { createHub } from '../src/publish/index.ts';
import type { Store } from '../src/store/index.ts';
import type { Opening, Order, Received } from './fan-out-clients.ts';
import { percentile } from './percentile.ts';

const { values } = parseArgs({
  options: {
    subscribers: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '0.4' },
  },
});
const roundCount = Number(values.rounds);
const roundMs = Number(values.seconds) * 1000;

const STREAM_ID = 'bench';
/** What a live view shows of each frame. */
const QUERY = `subscription { frames(streamId: "${STREAM_ID}", fromStart: false) { cursor sequence ptsSeconds droppedBefore
  faces { track { id } box { x y width height } affect { valence arousal quadrant } smoothed { valence arousal } uncertainty } } }`;
/** A plain server leaves out a client that has so much unsent; ours leaves out frames, and counts them. */
const MAX_UNSENT_BYTES = 64 * 1024;

/** So long without a message means that all have come. */
const STEADY_MS = 50;

/** One way of sending a frame to all who listen. */
interface Side {
  readonly group: string;
  readonly sendOne: () => void;
}

interface Rate {
  readonly perSecond: number;
  /** Processor time of this process for one message. */
  readonly cpuMicroseconds: number;
}

let sequence = 1_000_000;
function nextFrame(): FrameEstimate {
  sequence += 1;
  const affect = () => ({ valence: Math.random(), arousal: -Math.random() });
  const point = () => ({ x: Math.random(), y: Math.random() });
  const face = {
    trackNumber: 1,
    box: { ...point(), width: Math.random(), height: Math.random() },
    landmarks: {
      rightEye: point(),
      leftEye: point(),
      noseTip: point(),
      mouthCentre: point(),
      rightEar: null,
      leftEar: null,
    },
    score: Math.random(),
    affect: affect(),
    smoothed: affect(),
    expressions: Array.from({ length: 8 }, () => 0.125),
    uncertainty: Math.random(),
  };
  return {
    streamId: STREAM_ID,
    sequence,
    ptsSeconds: sequence / 25,
    capturedAt: null,
    width: 640,
    height: 360,
    faces: [face],
    skippedBefore: 0,
    latencyMs: 20,
  };
}

async function ask(clients: ChildProcess, order: Order): Promise<Received> {
  clients.send(order);
  const [received] = (await once(clients, 'message')) as [Received];
  return received;
}

/** Looks until the number stays the same for a while; when it last changed, and what it is. */
async function untilSteady(look: () => Promise<number>): Promise<{ readonly number: number; readonly atMs: number }> {
  let last = { number: await look(), atMs: performance.now() };
  while (performance.now() - last.atMs < STEADY_MS) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    const number = await look();
    if (number !== last.number) last = { number, atMs: performance.now() };
  }
  return last;
}

/** Sends as fast as the loop turns, and counts what has arrived; what is still on its way counts, with its time. */
async function rate(clients: ChildProcess, { group, sendOne }: Side): Promise<Rate> {
  const count = async (): Promise<number> => (await ask(clients, { kind: 'count', group })).messages;
  const before = await count();
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  while (performance.now() - startMs < roundMs) {
    sendOne();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  const { number, atMs } = await untilSteady(count);
  const messages = number - before;
  return { perSecond: messages / ((atMs - startMs) / 1000), cpuMicroseconds: (user + system) / messages };
}

const stream = { id: STREAM_ID, status: 'RUNNING' } as StreamRecord;
await using hub = createHub({ bufferFrames: 64, replay: async () => [], streamNow: async () => stream });
const config = loadConfig({ environment: { PORT: '0' } });
const log = pino({ level: 'warn' });
const noKeys = { keys: async () => [], keysUsed: async () => {}, foreignChanges: async () => 0 };
await using keyring = await openKeyring({ config, store: noKeys, log });
await using server = await startServer({
  config,
  log,
  keyring,
  store: {} as Store,
  pipeline: {
    async *subscribeFrames(streamId, options) {
      yield* hub.frames(streamId, options);
    },
  } as Pipeline,
});
const raw = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/raw' });
await once(raw, 'listening');
const { url, execArgv } = scriptLaunch('./fan-out-clients', import.meta.url);
const clients = fork(url, { execArgv });

/** Prints the figures of so many subscribers. */
async function compare(count: number): Promise<void> {
  const graphql = new URL(server.url);
  const open = (opening: Opening): Promise<Received> => ask(clients, { kind: 'open', ...opening });
  const received = (group: string): Promise<Received> => ask(clients, { kind: 'count', group });
  await open({ group: 'ours', count, port: Number(graphql.port), path: graphql.pathname, query: QUERY });
  await open({ group: 'raw', count, port: (raw.address() as AddressInfo).port, path: '/raw', query: null });
  while (hub.statistics().frameSubscribers < count) await new Promise((resolve) => setTimeout(resolve, 5));

  // One frame, whose message the plain server then sends again and again: it neither executes nor makes JSON.
  hub.publish(nextFrame());
  await untilSteady(async () => (await received('ours')).messages);
  const message = Buffer.from((await received('ours')).last);
  const ours: Side = { group: 'ours', sendOne: () => hub.publish(nextFrame()) };
  const plain: Side = {
    group: 'raw',
    sendOne() {
      for (const socket of raw.clients) {
        if (socket.bufferedAmount < MAX_UNSENT_BYTES) socket.send(message, { binary: false });
      }
    },
  };
  const droppedBefore = hub.statistics().framesDropped;
  // Both once before, until their code is compiled.
  for (const side of [plain, ours]) await rate(clients, side);
  const rounds: { readonly raw: Rate; readonly ours: Rate }[] = [];
  for (let round = 0; round < roundCount; round += 1) {
    rounds.push({ raw: await rate(clients, plain), ours: await rate(clients, ours) });
  }
  await ask(clients, { kind: 'close' });
  while (hub.statistics().frameSubscribers + raw.clients.size > 0)
    await new Promise((resolve) => setTimeout(resolve, 5));

  const print = (name: string, digits: number, figure: (round: (typeof rounds)[number]) => number): void =>
    console.log(`fan_out_${count}_${name} ${percentile(rounds.map(figure), 0.5).toFixed(digits)}`);
  print('message_bytes', 0, () => message.length);
  print('raw_messages_per_second', 0, (round) => round.raw.perSecond);
  print('messages_per_second', 0, (round) => round.ours.perSecond);
  print('share_of_raw', 3, (round) => round.ours.perSecond / round.raw.perSecond);
  print('raw_cpu_microseconds', 2, (round) => round.raw.cpuMicroseconds);
  print('cpu_microseconds', 2, (round) => round.ours.cpuMicroseconds);
  print('share_of_raw_by_cpu', 3, (round) => round.raw.cpuMicroseconds / round.ours.cpuMicroseconds);
  print('frames_dropped', 0, () => hub.statistics().framesDropped - droppedBefore);
}

try {
  await compare(1);
  await compare(Number(values.subscribers));
} finally {
  clients.kill();
  raw.close();
}
