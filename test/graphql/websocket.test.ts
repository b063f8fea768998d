import { randomBytes } from 'node:crypto';
import { connect as connectWire } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import { openServer, type TestServer } from '../support/server.ts';
import { busyFrame, openBusyServer, until, WATCH_ALL } from './busy-stream.ts';

let server: TestServer;
beforeAll(async () => {
  server = await openServer();
});
afterAll(() => server[Symbol.asyncDispose]());

interface Message {
  readonly type: string;
  readonly id?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests read payloads of many shapes, and assert what they read.
  readonly payload?: any;
}

/** A connection that says exactly what a test tells it to. */
async function connect(url: string, { acknowledged }: { readonly acknowledged: boolean } = { acknowledged: true }) {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws');
  const messages: Message[] = [];
  socket.on('message', (bytes) => messages.push(JSON.parse(String(bytes)) as Message));
  socket.on('error', () => undefined);
  const closed = new Promise<readonly [number, string]>((resolve) => {
    socket.once('close', (code, reason) => resolve([code, String(reason)]));
  });
  await new Promise((resolve) => socket.once('open', resolve));
  const say = (message: Message): void => socket.send(JSON.stringify(message));
  if (acknowledged) {
    say({ type: 'connection_init' });
    await until(() => messages.length === 1);
  }
  return { socket, messages, closed, say };
}

test('queries and mutations work over the same connection as subscriptions', async () => {
  const { socket, messages, say } = await connect(server.url);
  say({ type: 'subscribe', id: 'q', payload: { query: '{ engine { name } }' } });
  await until(() => messages.length === 3);
  expect(messages.slice(1)).toEqual([
    { type: 'next', id: 'q', payload: { data: { engine: { name: 'onnxruntime' } } } },
    { type: 'complete', id: 'q' },
  ]);
  say({ type: 'subscribe', id: 'm', payload: { query: 'mutation { stopStream(id: "none") { id } }' } });
  await until(() => messages.length === 5);
  expect(messages[3]?.payload.errors[0].extensions).toEqual({ code: 'NOT_FOUND', retryable: false });
  socket.terminate();
});

test.each([
  ['does not parse', '{ engine {'],
  ['asks for what is not there', '{ mood }'],
  ['asks for too much', '{ streams(first: 1000) { nodes { frames(first: 1000) { nodes { sequence } } } } }'],
  ['subscribes to nothing', 'subscription { frames(streamId: "none", after: "nonsense") { cursor } }'],
])('what %s is refused with a typed error, and the connection goes on', async (_, query) => {
  const { socket, messages, say } = await connect(server.url);
  say({ type: 'subscribe', id: '1', payload: { query } });
  await until(() => messages.length >= 2);
  const { payload } = messages[1]!;
  const [error] = messages[1]!.type === 'error' ? payload : payload.errors;
  expect(['BAD_INPUT', 'CURSOR_INVALID', 'QUERY_TOO_COMPLEX']).toContain(error.extensions.code);
  say({ type: 'subscribe', id: '2', payload: { query: '{ engine { name } }' } });
  await until(() => messages.some(({ id, type }) => id === '2' && type === 'complete'));
  socket.terminate();
});

test.each(['query', 'subscription'])(
  'a %s that asks for too many items is refused, and the connection goes on',
  async (kind) => {
    const { socket, messages, say } = await connect(server.url);
    const pages = Array.from({ length: 11 }, (_, index) => `a${index}: frames(first: 1000) { nodes { sequence } }`);
    const root = kind === 'query' ? 'stream(id: "none")' : 'streamStatus';
    say({ type: 'subscribe', id: '1', payload: { query: `${kind} { ${root} { ${pages.join(' ')} } }` } });
    await until(() => messages.length >= 2);
    const [error] = messages[1]!.type === 'error' ? messages[1]!.payload : messages[1]!.payload.errors;
    expect(error.extensions).toEqual({ code: 'QUERY_TOO_COMPLEX', retryable: false });
    say({ type: 'subscribe', id: '2', payload: { query: '{ engine { name } }' } });
    await until(() => messages.some(({ id, type }) => id === '2' && type === 'complete'));
    socket.terminate();
  },
);

test('a client that breaks the protocol is closed with the code for it, and nobody else', async () => {
  const witness = await connect(server.url);
  const early = await connect(server.url, { acknowledged: false });
  early.say({ type: 'subscribe', id: '1', payload: { query: '{ engine { name } }' } });
  expect((await early.closed)[0]).toBe(4401);
  const noise = await connect(server.url);
  noise.socket.send('no message at all');
  expect((await noise.closed)[0]).toBe(4400);
  const long = await connect(server.url);
  long.say({ type: 'ping', payload: { text: 'x'.repeat(100_000) } });
  expect((await long.closed)[0]).toBe(1009);
  witness.say({ type: 'ping' });
  await until(() => witness.messages.some(({ type }) => type === 'pong'));
  witness.socket.terminate();
});

test('a connection has 64 operations at most', async () => {
  await using busy = await openBusyServer();
  const { socket, messages, say } = await connect(busy.url);
  for (let id = 0; id < 66; id++) say({ type: 'subscribe', id: String(id), payload: { query: WATCH_ALL } });
  await until(() => messages.filter(({ type }) => type === 'error').length === 2);
  const refused = messages.filter(({ type }) => type === 'error');
  expect(refused.map(({ payload }) => payload[0].extensions)).toEqual([
    { code: 'OVERLOADED', retryable: true },
    { code: 'OVERLOADED', retryable: true },
  ]);
  await until(() => busy.hub.statistics().frameSubscribers === 64);
  say({ type: 'complete', id: '0' });
  await until(() => busy.hub.statistics().frameSubscribers === 63);
  say({ type: 'subscribe', id: 'one more', payload: { query: WATCH_ALL } });
  await until(() => busy.hub.statistics().frameSubscribers === 64);
  socket.terminate();
  await until(() => busy.hub.statistics().frameSubscribers === 0);
});

test('a client that asks and does not listen is not listened to either, until it takes what it asked for', async () => {
  const { socket, messages, say } = await connect(server.url);
  socket.pause();
  const PINGS = 1500;
  const text = 'x'.repeat(60_000);
  for (let count = 0; count < PINGS; count++) say({ type: 'ping', payload: { text } });
  // What the server would not read stays with the client: most of the 90 megabytes, whatever the sockets' buffers hold.
  let before = Number.POSITIVE_INFINITY;
  for (let steady = 0; steady < 20; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    steady = socket.bufferedAmount === before ? steady + 1 : 0;
    before = socket.bufferedAmount;
  }
  expect(before).toBeGreaterThan((PINGS * text.length) / 2);
  socket.resume();
  await until(() => messages.filter(({ type }) => type === 'pong').length === PINGS);
  socket.terminate();
});

test('a client that answers no ping is closed before the second one after it; one that does stays', async () => {
  await using busy = await openBusyServer();
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    const alive = await connect(busy.url);
    alive.say({ type: 'subscribe', id: '1', payload: { query: WATCH_ALL } });
    // A bare wire, which reads all and answers nothing.
    const { port, pathname } = new URL(busy.url);
    const wire = connectWire(Number(port), '127.0.0.1');
    const got: Buffer[] = [];
    wire.on('data', (chunk) => got.push(chunk));
    const closed = new Promise((resolve) => wire.once('close', resolve));
    const upgrade = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13';
    const key = `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`;
    const protocol = 'Sec-WebSocket-Protocol: graphql-transport-ws';
    wire.write(`GET ${pathname} HTTP/1.1\r\nHost: localhost:${port}\r\n${upgrade}\r\n${key}\r\n${protocol}\r\n\r\n`);
    await until(() => Buffer.concat(got).includes('101 Switching Protocols'));
    for (const message of [
      { type: 'connection_init' },
      { type: 'subscribe', id: '1', payload: { query: WATCH_ALL } },
    ]) {
      wire.write(maskedText(JSON.stringify(message)));
    }
    await until(() => busy.hub.statistics().frameSubscribers === 2);
    const ponged = new Promise((resolve) => alive.socket.once('ping', resolve));
    vi.advanceTimersByTime(12_000);
    await ponged;
    await until(() => got.some((chunk) => chunk.includes(PING)));
    // A message there and back: by then the server has the pong too.
    alive.say({ type: 'ping' });
    await until(() => alive.messages.some(({ type }) => type === 'pong'));
    vi.advanceTimersByTime(12_000);
    await closed;
    await until(() => busy.hub.statistics().frameSubscribers === 1);
    expect(alive.socket.readyState).toBe(WebSocket.OPEN);
    alive.socket.terminate();
  } finally {
    vi.useRealTimers();
  }
});

/** A ping without content. */
const PING = Buffer.from([0x89, 0]);

/** A message as a client sends it, under a mask of zeros. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}

test('live frames of every length come whole, among the other messages of the connection', async () => {
  await using busy = await openBusyServer();
  const { socket, messages, say } = await connect(busy.url);
  const frames = 'frames(streamId: "busy", fromStart: false)';
  const queries = [
    `subscription { ${frames} { sequence } }`,
    `subscription { ${frames} { sequence faces { box { x } } } }`,
    WATCH_ALL,
  ];
  for (const [id, query] of queries.entries()) say({ type: 'subscribe', id: String(id), payload: { query } });
  await until(() => busy.hub.statistics().frameSubscribers === 3);
  for (let sequence = 0; sequence < 30; sequence++) {
    busy.hub.publish(busyFrame(sequence, { faces: sequence * 4 }));
    say({ type: 'ping' });
    socket.ping();
    await until(() => messages.filter(({ type }) => type === 'next').length === 3 * (sequence + 1));
  }
  for (const id of ['0', '1', '2']) {
    const payloads = messages.filter((message) => message.type === 'next' && message.id === id);
    expect(payloads.map(({ payload }) => payload.data.frames.sequence)).toEqual(
      Array.from({ length: 30 }, (_, at) => at),
    );
    if (id !== '0') expect(payloads[20]!.payload.data.frames.faces).toHaveLength(80);
  }
  await until(() => messages.filter(({ type }) => type === 'pong').length === 30);
  socket.terminate();
});

test('a stop closes every connection with its reason', async () => {
  const busy = await openBusyServer();
  const { messages, closed, say } = await connect(busy.url);
  say({ type: 'subscribe', id: '1', payload: { query: WATCH_ALL } });
  await until(() => busy.hub.statistics().frameSubscribers === 1);
  await busy.stop();
  expect(await closed).toEqual([1001, 'The server is stopping.']);
  // No completion: the stream has not ended.
  expect(messages.map(({ type }) => type)).toEqual(['connection_ack']);
  expect(busy.hub.statistics().frameSubscribers).toBe(0);
  await busy[Symbol.asyncDispose]();
});

test('a stop ends server-sent events with an error that says so', async () => {
  const busy = await openBusyServer();
  const response = await fetch(busy.url, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query: WATCH_ALL }),
  });
  const text = response.text();
  await until(() => busy.hub.statistics().frameSubscribers === 1);
  await busy.stop();
  expect(await text).toMatch(/data: \{.*"code":"ABORTED","retryable":true/);
  await busy[Symbol.asyncDispose]();
});

test('a subscription to an unknown stream is an error over server-sent events too', async () => {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'subscription { frames(streamId: "none") { cursor } }' }),
  });
  expect(await response.text()).toMatch(/data: \{.*"code":"NOT_FOUND","retryable":false/);
});
