import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHub, type Delivery, type Hub } from '../../src/publish/index.ts';
import { frame, streamRecord, type TestStore, testStore } from '../store/support.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await testStore();
});
afterAll(() => opened[Symbol.asyncDispose]());

function newHub(bufferFrames = 16): Hub {
  const { store } = opened;
  return createHub({
    bufferFrames,
    replay: (id, after, limit) => store.framesAfter(id, after, limit),
    streamNow: (id) => store.stream(id),
  });
}

/** A stream whose frames are stored, then published, as the pipeline does. */
async function newSource(hub: Hub) {
  const { store } = opened;
  const id = randomUUID();
  await store.createStream(streamRecord(id));
  let sequence = 0;
  return {
    id,
    async add(count = 1) {
      for (let index = 0; index < count; index++) {
        const one = frame(id, sequence++);
        await store.appendFrames([one]);
        hub.publish(one);
      }
    },
    async end() {
      const stream = await store.updateStream(id, { status: 'COMPLETED', endedAt: new Date() });
      hub.publishStatus(stream);
      hub.endStream(id);
    },
  };
}

async function sequences(deliveries: AsyncIterable<Delivery>): Promise<number[]> {
  const seen: number[] = [];
  for await (const { frame: one } of deliveries) seen.push(one.sequence);
  return seen;
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('a subscriber with a cursor', () => {
  test('gets the past from the store, then the frames that come, each once and in order', async () => {
    const hub = newHub();
    const source = await newSource(hub);
    await source.add(250);
    const seen = sequences(hub.frames(source.id, { afterSequence: 9 }));
    await source.add(30);
    await source.end();
    expect(await seen).toEqual(upTo(280).slice(10));
  });

  test('gets the rest of a stream that has ended already, and then the end', async () => {
    const hub = newHub();
    const source = await newSource(hub);
    await source.add(5);
    await source.end();
    expect(await sequences(hub.frames(source.id, { afterSequence: 1 }))).toEqual([2, 3, 4]);
    expect(await sequences(hub.frames(source.id, { afterSequence: 4 }))).toEqual([]);
  });

  test('is told when the stream is erased before all of its past has come', async () => {
    const hub = newHub();
    for (const erasedAfter of [150, 390]) {
      const source = await newSource(hub);
      await source.add(400);
      await source.end();
      const seen: number[] = [];
      const reading = (async () => {
        for await (const { frame: one } of hub.frames(source.id, { afterSequence: -1 })) {
          seen.push(one.sequence);
          if (seen.length === erasedAfter) await opened.store.deleteStream(source.id);
        }
      })();
      await expect(reading).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(seen).toEqual(upTo(erasedAfter === 150 ? 200 : 400));
    }
  });

  test('that is slower than the stream while it catches up loses nothing, however small the buffer', async () => {
    const hub = newHub(2);
    const source = await newSource(hub);
    await source.add(40);
    const seen: number[] = [];
    for await (const { frame: one, droppedBefore } of hub.frames(source.id, { afterSequence: -1 })) {
      expect(droppedBefore).toBe(0);
      seen.push(one.sequence);
      if (one.sequence < 35) await source.add(3);
      if (one.sequence === 35) await source.end();
    }
    expect(seen).toEqual(upTo(40 + 35 * 3));
  });

  test('sees every frame exactly once however publishing, leaving and coming back interleave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 6 })), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.integer({ min: 1, max: 4 }),
        async (visits, buffer) => {
          const hub = newHub(buffer);
          const source = await newSource(hub);
          let published = 0;
          const add = async (count: number): Promise<void> => {
            published += count;
            await source.add(count);
          };
          const seen: number[] = [];
          for (const [between, stay] of visits) {
            await add(between);
            const adding = add(stay);
            let left = stay;
            for await (const { frame: one } of hub.frames(source.id, { afterSequence: seen.at(-1) ?? -1 })) {
              seen.push(one.sequence);
              left -= 1;
              if (left === 0) break;
            }
            await adding;
          }
          await source.end();
          for await (const { frame: one } of hub.frames(source.id, { afterSequence: seen.at(-1) ?? -1 }))
            seen.push(one.sequence);
          expect(seen).toEqual(upTo(published));
          expect(hub.statistics().frameSubscribers).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a live subscriber', () => {
  test('gets only what comes from now on', async () => {
    const hub = newHub();
    const source = await newSource(hub);
    await source.add(5);
    const deliveries = hub.frames(source.id);
    const first = deliveries.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await source.add(2);
    expect((await first).value?.frame.sequence).toBe(5);
    await source.end();
    expect(await sequences(deliveries)).toEqual([6]);
  });

  test('that stalls loses the oldest frames, is told how many, and disturbs no other', async () => {
    const hub = newHub(4);
    const source = await newSource(hub);
    const stalled = hub.frames(source.id);
    const first = stalled.next();
    const seenByOther = sequences(hub.frames(source.id));
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (let index = 0; index < 20; index++) {
      await source.add(1);
      // The other takes each frame at once.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await first).value).toMatchObject({ frame: { sequence: 0 }, droppedBefore: 0 });
    expect((await stalled.next()).value).toMatchObject({ frame: { sequence: 16 }, droppedBefore: 15 });
    expect(hub.statistics().framesDropped).toBe(15);
    await source.end();
    expect(await sequences(stalled)).toEqual([17, 18, 19]);
    expect(await seenByOther).toEqual(upTo(20));
  });

  test('that leaves while it waits is gone, with nothing left behind, a thousand times', async () => {
    const hub = newHub();
    const source = await newSource(hub);
    for (let index = 0; index < 1000; index++) {
      const leaving = new AbortController();
      const deliveries = hub.frames(source.id, { signal: leaving.signal });
      const waiting = deliveries.next();
      leaving.abort();
      expect((await waiting).done).toBe(true);
    }
    expect(hub.statistics()).toEqual({ frameSubscribers: 0, statusSubscribers: 0, framesDropped: 0 });
  });
});

describe('a subscriber who takes the live frames at once', () => {
  test('gets the past from the iterator and then each frame as it is published, until the end', async () => {
    const hub = newHub();
    const source = await newSource(hub);
    await source.add(150);
    const live: Delivery[] = [];
    const past = sequences(
      hub.frames(source.id, {
        afterSequence: 9,
        onLive(delivery) {
          live.push(delivery);
          return undefined;
        },
      }),
    );
    while (live.length === 0) {
      await source.add(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const one = frame(source.id, 10_000);
    hub.publish(one);
    // The same object, in the same turn.
    expect(live.at(-1)?.frame).toBe(one);
    await source.end();
    const all = [...(await past), ...live.map((delivery) => delivery.frame.sequence)];
    expect(all.slice(0, -1)).toEqual(upTo(all.length + 9).slice(10));
  });

  test('loses the oldest while it is busy, is told how many, and is not waited for when it leaves', async () => {
    const hub = newHub(4);
    const source = await newSource(hub);
    const live: Delivery[] = [];
    let ready = (): void => undefined;
    const leaving = new AbortController();
    const ended = sequences(
      hub.frames(source.id, {
        signal: leaving.signal,
        onLive(delivery) {
          live.push(delivery);
          return new Promise((resolve) => {
            ready = resolve;
          });
        },
      }),
    );
    while (live.length === 0) {
      await source.add(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const first = live[0]!.frame.sequence;
    await source.add(20);
    ready();
    while (live.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(live[1]).toMatchObject({ frame: { sequence: first + 17 }, droppedBefore: 16 });
    leaving.abort();
    expect(await ended).toEqual([]);
    expect(hub.statistics()).toEqual({ frameSubscribers: 0, statusSubscribers: 0, framesDropped: 16 });
    await source.add(1);
    ready();
    await new Promise((resolve) => setImmediate(resolve));
    expect(live).toHaveLength(2);
  });

  test('ends with what it throws, and no other notices', async () => {
    const hub = newHub();
    const source = await newSource(hub);
    const broken = sequences(
      hub.frames(source.id, {
        onLive() {
          throw new Error('gone wrong');
        },
      }),
    );
    broken.catch(() => undefined);
    const other = sequences(hub.frames(source.id));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await source.add(3);
    await source.end();
    await expect(broken).rejects.toThrow('gone wrong');
    expect(await other).toEqual([0, 1, 2]);
    expect(hub.statistics().frameSubscribers).toBe(0);
  });
});

test('whoever leaves by return() while waiting is gone at once, from frames and from statuses', async () => {
  const hub = newHub();
  const source = await newSource(hub);
  const leave = async (generator: AsyncGenerator<unknown, void, undefined>): Promise<void> => {
    const waiting = generator.next();
    await new Promise((resolve) => setImmediate(resolve));
    await generator.return();
    expect((await waiting).done).toBe(true);
  };
  for (let index = 0; index < 20; index++) {
    await leave(hub.frames(source.id));
    await leave(hub.statuses());
  }
  expect(hub.statistics()).toEqual({ frameSubscribers: 0, statusSubscribers: 0, framesDropped: 0 });
});

describe('the status of a stream', () => {
  test('never goes back, when a change was told while it was looked up', async () => {
    const id = randomUUID();
    const running = streamRecord(id, { status: 'RUNNING', revision: 1 });
    const hub = createHub({
      bufferFrames: 4,
      replay: async () => [],
      async streamNow() {
        hub.publishStatus(streamRecord(id, { status: 'QUEUED' }));
        return running;
      },
    });
    const statuses = hub.statuses(id);
    expect((await statuses.next()).value?.status).toBe('RUNNING');
    const next = statuses.next();
    await new Promise((resolve) => setImmediate(resolve));
    hub.publishStatus(streamRecord(id, { status: 'COMPLETED', revision: 2 }));
    expect((await next).value?.status).toBe('COMPLETED');
    expect((await statuses.next()).done).toBe(true);
  });

  test('is told as it is, at each change, and ends with its end', async () => {
    const hub = newHub();
    const source = await newSource(hub);
    const seen: string[] = [];
    for await (const { status } of hub.statuses(source.id)) {
      seen.push(status);
      if (status === 'RUNNING') await source.end();
    }
    expect(seen).toEqual(['RUNNING', 'COMPLETED']);
    const after: string[] = [];
    for await (const { status } of hub.statuses(source.id)) after.push(status);
    expect(after).toEqual(['COMPLETED']);
  });

  test('goes to and fro with a live source, and each change is told in the order in which it was stored', async () => {
    const hub = newHub();
    const { store } = opened;
    const id = randomUUID();
    await store.createStream(streamRecord(id, { status: 'CONNECTING' }));
    const changes = ['RUNNING', 'STALLED', 'RUNNING', 'RECONNECTING', 'RUNNING', 'STOPPED'] as const;
    const seen: string[] = [];
    for await (const { status, revision } of hub.statuses(id)) {
      seen.push(status);
      const next = changes[revision];
      if (next !== undefined) hub.publishStatus(await store.updateStream(id, { status: next }));
    }
    expect(seen).toEqual(['CONNECTING', ...changes]);
  });

  test('that was stored earlier never replaces a later one that still waits to be taken', async () => {
    const hub = newHub();
    const all = hub.statuses();
    const first = all.next();
    hub.publishStatus(streamRecord('one', { status: 'STALLED', revision: 3 }));
    hub.publishStatus(streamRecord('one', { status: 'RUNNING', revision: 2 }));
    expect((await first).value).toMatchObject({ status: 'STALLED', revision: 3 });
    await all.return(undefined);
  });

  test('is the latest one for a subscriber who is late', async () => {
    const hub = newHub();
    const id = randomUUID();
    const all = hub.statuses();
    const first = all.next();
    for (const [revision, status] of (['QUEUED', 'RUNNING', 'COMPLETED'] as const).entries()) {
      hub.publishStatus(streamRecord(id, { status, revision }));
    }
    hub.publishStatus(streamRecord('another'));
    expect((await first).value?.id).toBe(id);
    expect((await all.next()).value).toMatchObject({ id: 'another' });
    await all.return(undefined);
    expect(hub.statistics().statusSubscribers).toBe(0);
  });
});

test('a hub that closes ends every subscription', async () => {
  const hub = newHub();
  const source = await newSource(hub);
  const frames = sequences(hub.frames(source.id));
  const statuses = hub.statuses();
  const waiting = statuses.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await hub[Symbol.asyncDispose]();
  expect(await frames).toEqual([]);
  expect((await waiting).done).toBe(true);
  expect(await sequences(hub.frames(source.id))).toEqual([]);
});
