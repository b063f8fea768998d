import { request } from 'node:http';
import { expect, test } from 'vitest';
import WebSocket from 'ws';
import { type BusyServer, openBusyServer, until, WATCH_ALL } from './busy-stream.ts';

/** Far more together than the buffers of a socket hold. */
const FRAMES = 250;

interface Got {
  readonly sequence: number;
  readonly droppedBefore: number;
}

/** A subscriber that can stop taking what is sent to it. */
interface Subscriber {
  readonly got: Got[];
  /** Resolves when the subscription was completed, rejects when the connection ended before. */
  readonly ended: Promise<void>;
  pause(): void;
  resume(): void;
}

test.each([
  ['WebSocket', overWebSocket],
  ['server-sent events', overEvents],
])(
  'a stalled subscriber over %s waits in a bounded buffer and is told what it lost; others get every frame',
  async (_, subscribe) => {
    await using server = await openBusyServer();
    const { hub } = server;
    const stalled = await subscribe(server);
    const quick = await overWebSocket(server);
    await until(() => hub.statistics().frameSubscribers === 2);

    server.publish(0);
    await until(() => stalled.got.length > 0 && quick.got.length > 0);
    stalled.pause();
    for (let sequence = 1; sequence < FRAMES; sequence++) {
      server.publish(sequence);
      await until(() => quick.got.length > sequence);
    }
    const droppedWhileStalled = hub.statistics().framesDropped;
    expect(droppedWhileStalled).toBeGreaterThan(0);
    hub.endStream('busy');
    stalled.resume();
    await Promise.all([stalled.ended, quick.ended]);

    expect(quick.got.map(({ sequence }) => sequence)).toEqual(Array.from({ length: FRAMES }, (_, index) => index));
    const lost = stalled.got.reduce((sum, { droppedBefore }) => sum + droppedBefore, 0);
    expect(lost).toBe(droppedWhileStalled);
    expect(stalled.got.length + lost).toBe(FRAMES);
    expect(stalled.got.at(-1)?.sequence).toBe(FRAMES - 1);
  },
);

test.each([
  ['WebSocket', overWebSocket],
  ['server-sent events', overEvents],
])('a subscriber over %s that leaves while nothing happens leaves nothing behind', async (_, subscribe) => {
  await using server = await openBusyServer();
  const { ended, leave } = await subscribe(server);
  await until(() => server.hub.statistics().frameSubscribers === 1);
  leave();
  await expect(ended).rejects.toThrow();
  await until(() => server.hub.statistics().frameSubscribers === 0);
});

async function overWebSocket({ url }: BusyServer): Promise<Subscriber & { leave(): void }> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws');
  const got: Got[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    socket.once('close', () => reject(new Error('the connection ended')));
    socket.on('message', (bytes) => {
      const message = JSON.parse(String(bytes)) as { type: string; payload: { data: { frames: Got } } };
      // Nothing may be asked for before the connection is acknowledged.
      if (message.type === 'connection_ack') {
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: WATCH_ALL } }));
      }
      if (message.type === 'next') got.push(message.payload.data.frames);
      if (message.type === 'complete') {
        resolve();
        socket.terminate();
      }
    });
  });
  // It is looked at only at a test's end; until then its failure is nobody's.
  ended.catch(() => undefined);
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(JSON.stringify({ type: 'connection_init' }));
  return {
    got,
    ended,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    leave: () => socket.terminate(),
  };
}

function overEvents({ url }: BusyServer): Promise<Subscriber & { leave(): void }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream' };
    const sent = request(url, { method: 'POST', headers }, (response) => {
      const got: Got[] = [];
      const ended = new Promise<void>((complete, cut) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          const events = (text + chunk).split('\n\n');
          text = events.pop() ?? '';
          for (const event of events) {
            if (event.startsWith('event: complete')) complete();
            const json = /^data: (.+)$/m.exec(event)?.[1];
            if (json !== undefined) got.push((JSON.parse(json) as { data: { frames: Got } }).data.frames);
          }
        });
        response.once('close', () => cut(new Error('the connection ended')));
        response.once('error', cut);
      });
      ended.catch(() => undefined);
      resolve({
        got,
        ended,
        pause: () => response.pause(),
        resume: () => response.resume(),
        leave: () => sent.destroy(),
      });
    });
    sent.once('error', reject);
    sent.end(JSON.stringify({ query: WATCH_ALL }));
  });
}
