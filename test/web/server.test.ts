/** The page's client against a real server. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import WebSocket from 'ws';
import {
  AnalyzeImageDocument,
  EngineDocument,
  type FrameFragment,
  FramesDocument,
  OpenPushDocument,
  PushFrameDocument,
  StopStreamDocument,
} from '../../web/src/generated/graphql.ts';
import { Failure } from '../../web/src/server/failure.ts';
import { Server } from '../../web/src/server/server.ts';
import { FrameStore, indexAt } from '../../web/src/streams/frame-store.ts';
import { Uploads } from '../../web/src/streams/uploads.ts';
import { makeVideo, photograph, temporaryFolder } from '../pipeline/support.ts';
import { openKeyedServer } from '../support/keyed-server.ts';
import { openServer, type TestServer } from '../support/server.ts';

const PICTURES = [1, 3, 1, 3, 1, 3];
const OPENED_AT_MS = Date.now();
const { signal } = new AbortController();

/** Every connection that was opened. */
const sockets = new Set<WebSocket>();
class WatchedSocket extends WebSocket {
  constructor(...options: ConstructorParameters<typeof WebSocket>) {
    super(...options);
    sockets.add(this);
  }
}

let running: TestServer;
let server: Server;
/** A stream of `PICTURES`, a second apart, that has ended. */
let ended: { readonly id: string; readonly frames: readonly FrameFragment[] };
beforeAll(async () => {
  // Node has one from version 22 on.
  vi.stubGlobal('WebSocket', WatchedSocket);
  running = await openServer();
  server = new Server({ origin: new URL(running.url).origin, key: '' });
  ended = await pushedStream(server);
});
afterAll(async () => {
  server.close();
  await running[Symbol.asyncDispose]();
  vi.unstubAllGlobals();
});

async function picture(number: number): Promise<File> {
  return new File([new Uint8Array(await readFile(photograph(number)))], `${number}.jpg`);
}

async function openPush(to: Server): Promise<string> {
  return (await to.ask(OpenPushDocument, { input: {} })).openPush.id;
}

/** Gives the frames of the pictures from `from` until before `to`, a second apart. */
async function push(server: Server, id: string, [from, to]: readonly [number, number]): Promise<FrameFragment[]> {
  const frames: FrameFragment[] = [];
  for (const [index, number] of PICTURES.slice(from, to).entries()) {
    const capturedAt = new Date(OPENED_AT_MS + 1000 * (from + index)).toISOString();
    const variables = { streamId: id, frame: await picture(number), capturedAt };
    frames.push((await server.ask(PushFrameDocument, variables)).pushFrame);
  }
  return frames;
}

async function pushedStream(to: Server): Promise<typeof ended> {
  const id = await openPush(to);
  const frames = await push(to, id, [0, PICTURES.length]);
  expect((await to.ask(StopStreamDocument, { id })).stopStream.status).toBe('STOPPED');
  return { id, frames };
}

describe('asks', () => {
  test('with pictures among the variables', async () => {
    const files = [await picture(3), new File(['text'], 'text.jpg')];
    const { results } = (await server.ask(AnalyzeImageDocument, { files, store: false })).analyzeImage;
    expect(results.map(({ name, error }) => [name, error?.code])).toEqual([
      ['3.jpg', undefined],
      ['text.jpg', 'MEDIA_UNSUPPORTED'],
    ]);
    expect(results[0]!.analysis!.faces.length).toBeGreaterThan(0);
  });

  test('and throws what the server refuses, what is lost, and the reason of whoever ends it', async () => {
    const refused = server.ask(StopStreamDocument, { id: 'none' });
    await expect(refused).rejects.toMatchObject({ name: 'Failure', code: 'NOT_FOUND', retryable: false });
    const nowhere = new Server({ origin: 'http://127.0.0.1:9', key: '' });
    await expect(nowhere.ask(EngineDocument, {})).rejects.toMatchObject({ code: null, retryable: true });
    const left = AbortSignal.abort(new Error('left'));
    await expect(server.ask(EngineDocument, {}, { signal: left })).rejects.toThrow('left');
  });

  test('with its key, over each transport', async () => {
    await using keyed = await openKeyedServer();
    const key = await keyed.makeKey(['read', 'write']);
    while ((await keyed.as(null).post('{ engine { name } }')).status !== 401);
    const { origin } = new URL(keyed.url);
    const [known, unknown] = [key.text, `${key.text}0`].map((text) => new Server({ origin, key: text }));
    const { id, frames } = await pushedStream(known!);
    const seen: FrameFragment[] = [];
    const following = {
      signal,
      tell: () => undefined,
      take: (item: { frames: FrameFragment }) => seen.push(item.frames),
    };
    const variables = () => ({ streamId: id, after: null, fromStart: true });
    await known!.follow(FramesDocument, variables, following);
    expect(seen).toEqual(frames);
    expect(await (await known!.rows(id, 'csv')).text()).toMatch(/^file,sequence,/);

    const refusal = { name: 'Failure', code: 'UNAUTHENTICATED', retryable: false };
    await expect(unknown!.ask(EngineDocument, {})).rejects.toMatchObject(refusal);
    await expect(unknown!.follow(FramesDocument, variables, following)).rejects.toMatchObject(refusal);
    await expect(unknown!.rows(id, 'csv')).rejects.toMatchObject(refusal);
    for (const one of [known!, unknown!]) one.close();
  });
});

describe('follows', () => {
  test('a stream from its last cursor on, over a lost connection', async () => {
    const id = await openPush(server);
    const seen: FrameFragment[] = [];
    const lost: string[] = [];
    let begun = 0;
    const variables = () => ({ streamId: id, after: seen.at(-1)?.cursor ?? null, fromStart: true });
    const following = server.follow(FramesDocument, variables, {
      signal,
      before: async () => {
        begun += 1;
      },
      tell: ({ message }) => lost.push(message),
      take: ({ frames }) => seen.push(frames),
    });
    const frames = await push(server, id, [0, 3]);
    await vi.waitFor(() => expect(seen).toHaveLength(3), { timeout: 60_000 });
    for (const socket of sockets) socket.terminate();
    frames.push(...(await push(server, id, [3, 6])));
    await server.ask(StopStreamDocument, { id });
    await following;
    expect(seen).toEqual(frames);
    expect([begun, lost.length]).toEqual([2, 1]);
  });

  test('until whoever follows leaves', async () => {
    const id = await openPush(server);
    const ending = new AbortController();
    const following = server.follow(FramesDocument, () => ({ streamId: id, after: null, fromStart: true }), {
      signal: ending.signal,
      tell: () => undefined,
      take: () => ending.abort(new Error('left')),
    });
    const variables = { streamId: id, frame: await picture(3), capturedAt: null };
    await Promise.all([expect(following).rejects.toThrow('left'), server.ask(PushFrameDocument, variables)]);
    await server.ask(StopStreamDocument, { id });
  });

  test('nothing that is not there', async () => {
    const following = server.follow(FramesDocument, () => ({ streamId: 'none', after: null, fromStart: true }), {
      signal,
      tell: () => undefined,
      take: () => undefined,
    });
    await expect(following).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the frames around a moment', () => {
  test('are those of the server: the one that is seen then, and those before it', async () => {
    const { when } = lookInto(ended.id);
    const [first, , third] = ended.frames;
    const { frame, past } = await when(third!.ptsSeconds + 0.2);
    expect(frame).toEqual(third);
    expect(past.map(({ sequence }) => sequence)).toEqual([0, 1]);
    // Browsers cut what the server has exactly.
    expect((await when(third!.ptsSeconds - 4e-7)).frame).toEqual(third);
    expect((await when(first!.ptsSeconds - 0.1)).frame).toEqual(first);
    expect((await when(1000)).frame).toEqual(ended.frames.at(-1));
  });

  test('are asked for once where no more can come', async () => {
    const { when, questions } = lookInto(ended.id);
    await when(ended.frames[2]!.ptsSeconds);
    await when(ended.frames[3]!.ptsSeconds);
    expect(questions.length).toBe(1);
  });

  test('are the last ones of a stream that runs, until it has more', async () => {
    const id = await openPush(server);
    const frames = await push(server, id, [0, 2]);
    const { when, questions } = lookInto(id, true);
    expect((await when(3600)).frame).toBeNull();
    const { frame } = await when(frames[1]!.ptsSeconds + 0.01);
    expect(frame).toEqual(frames[1]);
    const asked = questions.length;
    await when(frames[1]!.ptsSeconds + 0.02);
    expect(questions.length).toBe(asked);
    frames.push(...(await push(server, id, [2, 3])));
    const later = frames[2]!.ptsSeconds + 0.01;
    await vi.waitFor(async () => expect((await when(later)).frame).toEqual(frames[2]), { timeout: 60_000 });
    await server.ask(StopStreamDocument, { id });
  });

  test('say why they are not there, and come when they can be had', async () => {
    let isDown = true;
    const { store, when } = lookInto(ended.id, false, () => isDown);
    expect((await when(1)).frame).toBeNull();
    expect(store.failure).toMatchObject({ retryable: true });
    isDown = false;
    const { ptsSeconds } = ended.frames[1]!;
    await vi.waitFor(async () => expect((await when(ptsSeconds)).frame).toEqual(ended.frames[1]), { timeout: 60_000 });
    expect(store.failure).toBeNull();
  });

  function lookInto(streamId: string, isRunning = false, isDown: () => boolean = () => false) {
    const questions: Promise<unknown>[] = [];
    const nowhere = new Server({ origin: 'http://127.0.0.1:9', key: '' });
    const store = new FrameStore({
      server: {
        ask(...question: Parameters<Server['ask']>) {
          const answer = (isDown() ? nowhere : server).ask(...question);
          questions.push(answer);
          return answer;
        },
      } as Pick<Server, 'ask'>,
      streamId,
      isRunning: () => isRunning,
      changed: () => undefined,
    });
    onTestFinished(() => store.close());
    return {
      store,
      questions,
      /** What it gives once what it asks for has come. */
      async when(seconds: number) {
        store.at(seconds);
        await Promise.allSettled(questions);
        return store.at(seconds);
      },
    };
  }
});

test('the frame that is seen at a time is the last one before it', () => {
  const frames = [0, 1, 1.5].map((ptsSeconds) => ({ ptsSeconds }));
  expect([-1, 0, 0.9, 1, 1.4, 1.5, 9].map((seconds) => indexAt(frames, seconds))).toEqual([-1, 0, 0, 1, 1, 2, 2]);
  expect(indexAt([], 1)).toBe(-1);
});

describe('uploads', () => {
  const choices = { framesPerSecond: '', labels: '' };
  const fileNamed = (name: string) => new File(['video'], name);

  test('go one after the other, and say how each went', async () => {
    const sent: string[] = [];
    const taken: string[] = [];
    const uploads = new Uploads({
      server: {
        ask: server.ask.bind(server),
        async upload({ name }, { tell }) {
          sent.push(name);
          tell(0.5);
          if (name === 'bad') throw new Failure({ message: 'no', code: 'UPLOAD_TOO_LARGE' });
          const response = await fetch(running.mediaUrl, { method: 'PUT', body: video });
          return ((await response.json()) as { id: string }).id;
        },
      },
      taken: (streamId) => taken.push(streamId),
    });
    const video = new Uint8Array(await readFile(await smallVideo()));
    const ids = ['one', 'bad', 'two', 'gone'].map((name) => uploads.send(fileNamed(name), choices));
    expect(uploads.isSending).toBe(true);
    uploads.remove(uploads.list[3]!.number);
    const [one, bad, two, gone] = await Promise.all(ids);
    expect([bad, gone]).toEqual([null, null]);
    expect(taken).toEqual([one, two]);
    expect(sent).toEqual(['one', 'bad', 'two']);
    expect(uploads.list.map(({ file, state }) => [file.name, state.kind])).toEqual([
      ['one', 'done'],
      ['bad', 'failed'],
      ['two', 'done'],
    ]);
    expect(uploads.isSending).toBe(false);
  });
});

async function smallVideo(): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return makeVideo(join(folder.path, 'small.mp4'), { frames: 5 });
}
