import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { scriptLaunch } from '../../src/flow/index.ts';
import { WATCH_ALL } from '../graphql/busy-stream.ts';
import type { BusyAnswer, BusyOrder } from './fixtures/busy-process.ts';
import { openWire, type Wire } from './fixtures/wire.ts';

const GOOD = 50;
const NEVER_READING = 30;
const VANISHED = 20;
/** Of some 80,000 bytes each: twice what the buffers of a socket hold. */
const FRAMES = 250;
const SUBSCRIBE = { type: 'subscribe', id: '1', payload: { query: WATCH_ALL } };
const MEBIBYTE = 1024 * 1024;

/** What one subscriber was told, by the head of each message: the rest is the same for all. */
class Tally {
  readonly sequences: number[] = [];
  lost = 0;

  take(text: string): void {
    const [, sequence, dropped] = /"sequence":(\d+),"droppedBefore":(\d+)/.exec(text.slice(0, 200)) ?? [];
    if (sequence === undefined) return;
    this.sequences.push(Number(sequence));
    this.lost += Number(dropped);
  }

  /** Every frame in order, but for those of which it was told. */
  expectWhole(): void {
    expect(this.sequences).toEqual(this.sequences.toSorted((one, other) => one - other));
    expect(this.sequences.length + this.lost).toBe(FRAMES);
    expect(this.sequences.at(-1)).toBe(FRAMES - 1);
  }
}

let child: ChildProcess;
let url: string;
beforeAll(async () => {
  const { url: script, execArgv } = scriptLaunch('./fixtures/busy-process', import.meta.url);
  child = fork(script, { execArgv: [...execArgv, '--expose-gc'] });
  const [answer] = (await once(child, 'message')) as [BusyAnswer];
  url = answer.url;
});
afterAll(async () => {
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
});

async function tell(order: BusyOrder): Promise<BusyAnswer> {
  const answered = once(child, 'message');
  child.send(order);
  const [answer] = (await answered) as [BusyAnswer];
  return answer;
}

const subscribers = async (): Promise<number> => (await tell({ kind: 'look' })).statistics.frameSubscribers;

async function subscribeWell(): Promise<{
  readonly socket: WebSocket;
  readonly tally: Tally;
  readonly ended: Promise<unknown>;
}> {
  const tally = new Tally();
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws');
  const ended = new Promise<void>((resolve, reject) => {
    socket.once('close', () => reject(new Error('the connection ended')));
    socket.on('message', (bytes: Buffer) => {
      const head = bytes.toString('latin1', 0, 200);
      if (head.includes('"connection_ack"')) socket.send(JSON.stringify(SUBSCRIBE));
      else if (head.includes('"complete"')) resolve();
      else tally.take(head);
    });
  });
  ended.catch(() => undefined);
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init' }));
  return { socket, tally, ended };
}

async function subscribeAndSleep(): Promise<Wire> {
  const wire = await openWire(url);
  wire.say(SUBSCRIBE);
  wire.stopReading();
  return wire;
}

test('of 100 subscribers 30 never read and 20 vanish: the other 50 get everything, memory stays, the vanished are found', async () => {
  const good = await Promise.all(Array.from({ length: GOOD }, subscribeWell));
  const asleep = await Promise.all(Array.from({ length: NEVER_READING }, subscribeAndSleep));
  const vanished = await Promise.all(Array.from({ length: VANISHED }, subscribeAndSleep));
  await expect.poll(subscribers).toBe(100);
  // Those that never read do answer, so that nobody takes them for dead.
  const beat = setInterval(() => {
    for (const wire of asleep) wire.pong();
  }, 2000);
  try {
    const order = { kind: 'publish', pauseMs: 10 } as const;
    const early = await tell({ ...order, from: 0, count: 20 });
    const late = await tell({ ...order, from: 20, count: FRAMES - 21 });

    // All that was published to those who do not read is 1,000 MB.
    expect(late.heldBytes - early.heldBytes).toBeLessThan(50 * MEBIBYTE);
    expect(late.rssBytes - early.rssBytes).toBeLessThan(300 * MEBIBYTE);
    await expect.poll(subscribers, { timeout: 120_000, interval: 500 }).toBe(GOOD + NEVER_READING);
    await tell({ ...order, from: FRAMES - 1, count: 1 });
    await tell({ kind: 'end' });
    await Promise.all(good.map(({ ended }) => ended));
    for (const { tally } of good) tally.expectWhole();
    // Whoever wakes up is told what it has lost.
    for (const wire of asleep) {
      const tally = new Tally();
      await new Promise<void>((resolve) =>
        wire.readOn((text) => (text.includes('"complete"') ? resolve() : tally.take(text))),
      );
      tally.expectWhole();
      expect(tally.lost).toBeGreaterThan(0);
    }
  } finally {
    clearInterval(beat);
    for (const { socket } of good) socket.terminate();
    for (const wire of [...asleep, ...vanished]) wire[Symbol.dispose]();
  }
});
