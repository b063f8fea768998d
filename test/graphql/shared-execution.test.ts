import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { FrameEstimate } from '../../src/domain.ts';
import { BUFFER_FRAMES, type BusyServer, busyFrame, openBusyServer, until } from './busy-stream.ts';

const STORED = [0, 1, 2].map((sequence) => busyFrame(sequence, { streamId: 'with a past', faces: 1 }));

let server: BusyServer;
beforeAll(async () => {
  server = await openBusyServer(STORED);
});
afterAll(() => server[Symbol.asyncDispose]());
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await until(() => subscribers() === 0);
});

/** A frame that tells how many times it was executed: each execution reads it as a whole, once. */
function countedFrame(sequence: number, streamId: string, faces = 1) {
  let executions = 0;
  const frame: FrameEstimate = Object.defineProperty(busyFrame(sequence, { streamId, faces }), 'latencyMs', {
    enumerable: true,
    get() {
      executions += 1;
      return 1;
    },
  });
  return { frame, executions: () => executions };
}

interface Wish {
  readonly query: string;
  readonly variables?: Record<string, unknown>;
  readonly operationName?: string;
  readonly id?: string;
}

/** One connection with one subscription. */
async function subscribe({ id = '1', ...payload }: Wish) {
  const socket = new WebSocket(server.url.replace(/^http/, 'ws'), 'graphql-transport-ws');
  sockets.push(socket);
  const texts: string[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: the tests read payloads of many shapes, and assert what they read.
  const payloads: any[] = [];
  const say = (message: object): void => socket.send(JSON.stringify(message));
  let completed = false;
  socket.on('message', (bytes) => {
    const message = JSON.parse(String(bytes));
    if (message.type === 'connection_ack') say({ type: 'subscribe', id, payload });
    if (message.type === 'complete') completed = true;
    if (message.type !== 'next' && message.type !== 'error') return;
    texts.push(String(bytes));
    payloads.push(message.payload);
  });
  await new Promise((resolve) => socket.once('open', resolve));
  say({ type: 'connection_init' });
  return {
    socket,
    texts,
    payloads,
    completed: () => completed,
    frames: () => payloads.map(({ data }) => data.frames),
    complete: () => say({ type: 'complete', id }),
  };
}

const subscribers = (): number => server.hub.statistics().frameSubscribers;

const sequenceOf = (streamId: string): string =>
  `subscription { frames(streamId: "${streamId}", fromStart: false) { sequence droppedBefore } }`;

test('a hundred subscribers who ask the same get the same bytes from one execution of each frame', async () => {
  const query = `subscription { frames(streamId: "hundred", fromStart: false) { cursor sequence ptsSeconds droppedBefore
    faces { track { id } box { x } affect { valence quadrant } } } }`;
  const all = await Promise.all(Array.from({ length: 100 }, (_, index) => subscribe({ query, id: `ü "${index}"` })));
  await until(() => subscribers() === 100);
  const frames = Array.from({ length: 20 }, (_, sequence) => countedFrame(sequence, 'hundred'));
  for (const { frame } of frames) {
    server.hub.publish(frame);
    await until(() => all.every(({ texts }) => texts.length > frame.sequence));
  }
  expect(frames.map(({ executions }) => executions())).toEqual(frames.map(() => 1));
  for (const [index, { texts }] of all.entries()) {
    const message = texts[7]!;
    expect(message.startsWith(`{"id":${JSON.stringify(`ü "${index}"`)},"type":"next","payload":{"data":`)).toBe(true);
    expect(message.slice(message.indexOf('"payload"'))).toBe(
      all[0]!.texts[7]!.slice(all[0]!.texts[7]!.indexOf('"payload"')),
    );
  }
  expect(all[99]!.frames().map(({ sequence }) => sequence)).toEqual(frames.map(({ frame }) => frame.sequence));
  expect(all[0]!.frames()[3].faces[0]).toEqual({
    track: { id: 'hundred.1' },
    box: { x: 0.123456789 },
    affect: { valence: 0.123456789, quadrant: 'CALM' },
  });
});

test('the same wish in other words is the same: where it starts, its names, its layout, fragments or not its own', async () => {
  const wishes: Wish[] = [
    { query: 'subscription { frames(streamId: "words", fromStart: false) { sequence width } }' },
    { query: '# a comment\nsubscription Mine {\n  frames(streamId: "words" fromStart: true) { sequence, width }\n}' },
    {
      query:
        'subscription ($id: ID!, $empty: Boolean) { frames(streamId: $id, includeEmpty: $empty) { sequence width } }',
      variables: { id: 'words', empty: false },
    },
    {
      query: `subscription A { frames(streamId: "words") { sequence width } }
        subscription B($id: ID!) { frames(streamId: $id) { sequence width } }`,
      variables: { id: 'words' },
      operationName: 'B',
    },
  ];
  const all = await Promise.all(wishes.map((wish) => subscribe(wish)));
  await until(() => subscribers() === wishes.length);
  const { frame, executions } = countedFrame(0, 'words');
  server.hub.publish(frame);
  await until(() => all.every(({ texts }) => texts.length === 1));
  expect(executions()).toBe(1);
  for (const one of all) expect(one.frames()).toEqual([{ sequence: 0, width: 640 }]);
});

test('different wishes do not mix: fields, aliases, fragments, variables of directives and their defaults', async () => {
  const frames = 'frames(streamId: "wishes", fromStart: false)';
  const conditional = `subscription ($x: Boolean = true) { ${frames} { sequence width @include(if: $x) } }`;
  const wishes: readonly (Wish & { readonly answer: object })[] = [
    { query: `subscription { ${frames} { sequence } }`, answer: { frames: { sequence: 5 } } },
    { query: `subscription { ${frames} { number: sequence } }`, answer: { frames: { number: 5 } } },
    { query: `subscription { mine: ${frames} { sequence } }`, answer: { mine: { sequence: 5 } } },
    {
      query: `subscription { ${frames} { ...F } } fragment F on FrameEstimate { sequence }`,
      answer: { frames: { sequence: 5 } },
    },
    {
      query: `subscription { ${frames} { ...F } } fragment F on FrameEstimate { height }`,
      answer: { frames: { height: 360 } },
    },
    { query: conditional, variables: { x: false }, answer: { frames: { sequence: 5 } } },
    { query: conditional, answer: { frames: { sequence: 5, width: 640 } } },
    { query: conditional, variables: { x: true }, answer: { frames: { sequence: 5, width: 640 } } },
  ];
  const all = await Promise.all(wishes.map((wish) => subscribe(wish)));
  await until(() => subscribers() === wishes.length);
  const { frame, executions } = countedFrame(5, 'wishes');
  server.hub.publish(frame);
  await until(() => all.every(({ texts }) => texts.length === 1));
  expect(all.map(({ payloads }) => payloads[0])).toEqual(wishes.map(({ answer }) => ({ data: answer })));
  // The last two are the same by the variable's default.
  expect(executions()).toBe(wishes.length - 1);
});

test('one who is too slow is told what it lost; the others share on, and are told of no loss', async () => {
  const query = `subscription { frames(streamId: "slow", fromStart: false) { sequence droppedBefore
    faces { landmarks { name x y } expressions { expression probability } } } }`;
  const slow = await subscribe({ query });
  const quick = await subscribe({ query });
  const other = await subscribe({ query });
  await until(() => subscribers() === 3);
  const frames = Array.from({ length: 250 }, (_, sequence) => countedFrame(sequence, 'slow', 100));
  const before = server.hub.statistics().framesDropped;
  slow.socket.pause();
  for (const { frame } of frames) {
    server.hub.publish(frame);
    await until(() => quick.texts.length > frame.sequence && other.texts.length > frame.sequence);
  }
  const dropped = server.hub.statistics().framesDropped - before;
  expect(dropped).toBeGreaterThan(0);
  slow.socket.resume();
  await until(() => slow.frames().at(-1)?.sequence === frames.length - 1);
  const lost = slow.frames().reduce((sum, { droppedBefore }) => sum + droppedBefore, 0);
  expect(lost).toBe(dropped);
  expect(slow.texts.length + lost).toBe(frames.length);
  for (const one of [quick, other]) expect(one.frames().every(({ droppedBefore }) => droppedBefore === 0)).toBe(true);
  // Only the frame after a loss has another text for the one who lost.
  const gaps = slow.frames().filter(({ droppedBefore }) => droppedBefore > 0).length;
  expect(frames.reduce((sum, { executions }) => sum + executions(), 0)).toBe(frames.length + gaps);
  expect(gaps).toBeLessThanOrEqual(BUFFER_FRAMES);
}, 120_000);

test('one who leaves in the middle is gone at once, and the others go on', async () => {
  const all = await Promise.all([1, 2, 3].map(() => subscribe({ query: sequenceOf('leaving') })));
  await until(() => subscribers() === 3);
  server.hub.publish(busyFrame(0, { streamId: 'leaving' }));
  await until(() => all.every(({ texts }) => texts.length === 1));
  all[0]!.complete();
  all[1]!.socket.terminate();
  await until(() => subscribers() === 1);
  server.hub.publish(busyFrame(1, { streamId: 'leaving' }));
  server.hub.endStream('leaving');
  await until(() => all[2]!.completed());
  expect(all.map(({ texts }) => texts.length)).toEqual([1, 1, 2]);
});

test('the past comes before the live frames, without gap or duplicate, also where only faces are wanted', async () => {
  const query = 'subscription { frames(streamId: "with a past", includeEmpty: false) { sequence } }';
  const one = await subscribe({ query });
  await until(() => subscribers() === 1 && one.texts.length === STORED.length);
  // The last one of the past was also published; the next has no faces.
  server.hub.publish(busyFrame(2, { streamId: 'with a past' }));
  server.hub.publish(busyFrame(3, { streamId: 'with a past', faces: 0 }));
  server.hub.publish(busyFrame(4, { streamId: 'with a past' }));
  server.hub.endStream('with a past');
  await until(() => one.completed());
  expect(one.frames().map(({ sequence }) => sequence)).toEqual([0, 1, 2, 4]);
});

test('subscribers over server-sent events share with those over WebSocket', async () => {
  const query = sequenceOf('events');
  const one = await subscribe({ query });
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  await until(() => subscribers() === 2);
  const { frame, executions } = countedFrame(0, 'events');
  server.hub.publish(frame);
  server.hub.endStream('events');
  expect(await response.text()).toContain('data: {"data":{"frames":{"sequence":0,"droppedBefore":0}}}\n\n');
  await until(() => one.completed());
  expect(one.frames()).toEqual([{ sequence: 0, droppedBefore: 0 }]);
  expect(executions()).toBe(1);
});

test('an error in a shared execution reaches everybody with its code and nothing of its cause', async () => {
  const query = 'subscription { frames(streamId: "broken", fromStart: false) { sequence ptsSeconds } }';
  const one = await subscribe({ query });
  const two = await subscribe({ query });
  await until(() => subscribers() === 2);
  const { frame, executions } = countedFrame(0, 'broken');
  server.hub.publish({ ...frame, ptsSeconds: Number.NaN });
  server.hub.publish(busyFrame(1, { streamId: 'broken' }));
  await until(() => one.texts.length === 2 && two.texts.length === 2);
  expect(executions()).toBe(1);
  for (const { payloads } of [one, two]) {
    expect(payloads[0].data).toBeNull();
    expect(payloads[0].errors).toHaveLength(1);
    expect(payloads[0].errors[0].extensions.retryable).toBeTypeOf('boolean');
    expect(payloads[1].data.frames.sequence).toBe(1);
  }
});

test('nothing of the frames is held once they are sent, nor after everybody has left', async () => {
  // The collector can only be asked where a flag allows it.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const all = await Promise.all([1, 2, 3].map(() => subscribe({ query: sequenceOf('memory') })));
  await until(() => subscribers() === 3);
  // In a function of its own, so that the test itself holds none.
  const publish = (sequence: number): WeakRef<FrameEstimate> => {
    const frame = busyFrame(sequence, { streamId: 'memory' });
    server.hub.publish(frame);
    return new WeakRef(frame);
  };
  const sent: WeakRef<FrameEstimate>[] = [];
  for (let sequence = 0; sequence < 50; sequence++) {
    sent.push(publish(sequence));
    await until(() => all.every(({ texts }) => texts.length > sequence));
  }
  const nothingHeld = (): boolean => {
    collect();
    return sent.every((frame) => frame.deref() === undefined);
  };
  await until(nothingHeld);
  // One that nobody takes any more.
  for (const { socket } of all) socket.pause();
  sent.push(publish(50));
  for (const { socket } of all) socket.terminate();
  await until(() => subscribers() === 0 && nothingHeld());
});
