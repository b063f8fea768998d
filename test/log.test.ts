/** What the log of a server holds after all that may happen to a stream, and what it must never hold. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../src/log.ts';
import { ffmpeg, makeVideo, photograph, temporaryFolder } from './pipeline/support.ts';
import { face, frame, streamRecord, testStore } from './store/support.ts';
import { openKeyedServer, type TestKey } from './support/keyed-server.ts';
import { openServer, type TestServer } from './support/server.ts';

type Line = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string };

/** What a client says: names, labels, words inside files, credentials, questions. None of it is an operator's business. */
const SECRET = 'lake-of-glass';
/** Lines about the server as a whole. */
const WITHOUT_STREAM = [/^a request failed/, /^removed uploads/, /^a WebSocket/, /^erased what was older/];
const ERROR_LEVEL = 50;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const texts: string[] = [];
const streams: string[] = [];
let lines: Line[];

beforeAll(async () => {
  folder = await temporaryFolder();
  const log = createLog({ level: 'debug', destination: { write: (text) => void texts.push(text) } });
  const server = await openServer({ RETENTION_DAYS: '1' }, { log });
  await liveThrough(server);
  await server[Symbol.asyncDispose]();
  lines = texts.map((text) => JSON.parse(text) as Line);
}, 300_000);
afterAll(() => folder[Symbol.asyncDispose]());

/** A video that is scored, one that is damaged, one that is none, one that is stopped, pictures, bad requests, erasures. */
async function liveThrough(server: TestServer): Promise<void> {
  const plain = await makeVideo(join(folder.path, 'plain.mp4'), { frames: 25 });
  const whole = join(folder.path, `${SECRET}.mp4`);
  await ffmpeg('-i', plain, '-c', 'copy', '-metadata', `title=${SECRET}`, '-metadata', `comment=${SECRET}`, whole);
  const damaged = join(folder.path, `${SECRET}-damaged.mp4`);
  await ffmpeg('-i', whole, '-c', 'copy', '-movflags', 'faststart', damaged);
  const bytes = await readFile(damaged);
  // The index stays, the pictures are noise with words in it.
  bytes.fill(`${SECRET} `, Math.floor(bytes.length * 0.4));
  await writeFile(damaged, bytes);
  const long = await makeVideo(join(folder.path, `${SECRET}-long.mp4`), { frames: 300 });

  for (const path of [whole, damaged]) {
    const id = await server.submitVideo(path);
    streams.push(id);
    await ending(server, id);
  }
  const stopped = await server.submitVideo(long);
  streams.push(stopped);
  await server.query('mutation ($id: ID!) { stopStream(id: $id) { id } }', { id: stopped });
  await server.query('mutation ($id: ID!) { deleteStream(id: $id) { id } }', { id: stopped });

  const pictures = [
    { name: `${SECRET}.jpg`, bytes: await readFile(photograph(2)) },
    { name: `${SECRET}.txt`, bytes: Buffer.from(`no picture but ${SECRET}`) },
  ];
  await server.uploadPictures(pictures, 'results { error { code } }');
  const { id } = (await server.putMedia(Buffer.from(`no video but ${SECRET}`))).body;
  await server.query('mutation ($input: AnalyzeVideoInput!) { analyzeVideo(input: $input) { id } }', {
    input: { mediaId: id, name: SECRET, labels: [SECRET] },
  });
  const headers = { authorization: `Bearer ${SECRET}`, cookie: `key=${SECRET}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ query: `{ stream(id: "${SECRET}") { id } nothing }` });
  await fetch(`${server.url}?key=${SECRET}`, { method: 'POST', headers, body });
  await fetch(new URL(`/streams/${SECRET}/export?key=${SECRET}`, server.url), { headers });
}

async function ending(server: TestServer, id: string): Promise<void> {
  const client = server.client();
  const query = `subscription { streamStatus(streamId: "${id}") { status } }`;
  for await (const _ of client.iterate({ query }));
  await client.dispose();
}

test('keys are in no line of the log, no answer, no metric and no file', async () => {
  const written: string[] = [];
  const log = createLog({ level: 'trace', destination: { write: (text) => void written.push(text) } });
  const [keys, answers]: [TestKey[], string[]] = [[], []];
  await using server = await openKeyedServer(
    {},
    {
      log,
      before: async ({ makeKey, store }) => {
        keys.push(await makeKey(['admin']), await makeKey(['read']), await makeKey(['read']));
        await store.revokeKey(keys[2]!.id, new Date());
      },
    },
  );
  const wrong = { id: '', text: `cpx_${keys[0]!.id}_${'d'.repeat(64)}` };
  for (const key of [...keys, wrong]) {
    const client = server.as(key);
    answers.push(
      (await client.post(`{ stream(id: "${key.text}") { id } nothing }`)).text,
      (await client.post('mutation { openPush(input: {}) { id } }')).text,
      (await client.putMedia(Buffer.from('no video'))).text,
      (await client.send('/streams/any/export')).text,
      (await client.send('/metrics')).text,
      (await client.send('/readyz')).text,
      JSON.stringify(await client.first('WebSocket', '{ engine { name } }')),
      JSON.stringify(await client.first('server-sent events', 'subscription { streamStatus(streamId: "x") { id } }')),
    );
  }
  await server.store.revokeKey(keys[0]!.id, new Date());
  while ((await server.as(keys[0]!).send('/metrics')).status !== 401);
  expect(written.join('')).toContain('a key was revoked');
  for (const { text } of [...keys, wrong]) {
    const secret = text.split('_')[2]!;
    expect(written.filter((line) => line.includes(secret))).toEqual([]);
    expect(answers.filter((answer) => answer.includes(secret))).toEqual([]);
    for (const name of await readdir(server.dataDir, { recursive: true, withFileTypes: true })) {
      if (name.isFile()) expect((await readFile(join(name.parentPath, name.name))).includes(secret)).toBe(false);
    }
  }
});

describe('the log of a server', () => {
  test('tells the life of each stream by its id', () => {
    const [scored, damaged, stopped] = streams;
    const told = (id: string | undefined) =>
      lines.filter(({ streamId }) => streamId === id).map(({ msg, status }) => [msg, status].join(' ').trim());
    expect(told(scored)).toEqual(['stream is running', 'stream has ended COMPLETED']);
    expect(told(damaged)[0]).toBe('stream is running');
    expect(told(damaged).at(-1)).toMatch(/^stream has ended (COMPLETED|FAILED)$/);
    expect(told(stopped).slice(-2)).toEqual(['stream has ended STOPPED', 'stream was erased']);
  });

  test('has the id on every line that is about a stream', () => {
    const without = lines.filter(
      ({ streamId, msg }) => typeof streamId !== 'string' && !WITHOUT_STREAM.some((one) => one.test(msg)),
    );
    expect(without).toEqual([]);
  });

  test('has no names, labels, words of files, addresses, questions or credentials of clients', () => {
    expect(texts.filter((text) => text.includes(SECRET))).toEqual([]);
  });

  test('has no pictures, no estimates and no long lines', () => {
    for (const text of texts) {
      expect(text.length).toBeLessThan(8000);
      expect(text).not.toMatch(/"(rgb|crop|bytes|data|faces|valence|arousal|box|landmarks)"/);
      // Neither as base64 nor as an array of numbers nor as Node prints a buffer.
      expect(text).not.toMatch(/[A-Za-z0-9+/]{200}|(\d+,){20}|<Buffer/);
    }
  });

  test('calls nothing an error that is a client’s fault', () => {
    expect(lines.filter(({ level }) => level >= ERROR_LEVEL)).toEqual([]);
  });
});

test('what the database refuses is logged without the values that it refused', async () => {
  await using own = await testStore();
  const written: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (text) => void written.push(text) } });
  const image = {
    id: SECRET,
    ownerKeyId: null,
    createdAt: new Date(Number.NaN),
    name: SECRET,
    width: 1,
    height: 1,
    faces: [face(1, 0.123454321)],
    latencyMs: 1,
    analysis: null,
  };
  const attempts = [
    own.store.saveImage(image),
    own.store.createStream(streamRecord('s', { name: SECRET, createdAt: new Date(Number.NaN) })),
    own.store.appendFrames([frame('nobody', 0, [face(1, 0.123454321)])]),
  ];
  for (const attempt of attempts) {
    log.error({ err: await attempt.catch((thrown: unknown) => thrown) }, 'a request failed');
  }
  expect(written).toHaveLength(3);
  for (const text of written) {
    expect(text).toContain('STORE_FAILED');
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain('0.123454321');
  }
});
