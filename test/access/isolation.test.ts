/** Two keys and one schema: whatever takes an id must treat another key's like one that nobody has. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildSchema, getNamedType, isInputObjectType, isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeFrameCursor, encodeImageCursor, encodeStreamCursor, encodeTrackCursor } from '../../src/store/index.ts';
import { makeVideo, photograph, temporaryFolder } from '../pipeline/support.ts';
import { face, frame, streamRecord } from '../store/support.ts';
import {
  eventData,
  events,
  type KeyClient,
  type KeyedServer,
  openKeyedServer,
  statusAndBody,
  type TestFiles,
  type TestKey,
  TRANSPORTS,
  type Transport,
} from '../support/keyed-server.ts';

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));

/** Every argument and input field of the schema that names something: `Type.field(argument)` or `Input.field`. */
function placesOfIds(): string[] {
  const names = (type: unknown): boolean => ['ID', 'Cursor'].includes(String(getNamedType(type as never)));
  return Object.values(schema.getTypeMap()).flatMap((type) => {
    if (type.name.startsWith('__')) return [];
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter((field) => names(field.type));
      return fields.map(({ name }) => `${type.name}.${name}`);
    }
    if (!isObjectType(type)) return [];
    return Object.values(type.getFields()).flatMap((field) =>
      field.args.filter((arg) => names(arg.type)).map((arg) => `${type.name}.${field.name}(${arg.name})`),
    );
  });
}

/** What somebody has, by its ids. */
interface Belongings {
  /** Has ended; frames 0 to 4 with track 1. */
  readonly stream: string;
  /** Is open for pushed pictures. */
  readonly pushed: string;
  /** May be erased. */
  readonly doomed: string;
  readonly image: string;
  /** Erased by the operation that erases. */
  readonly doomedImage: string;
  readonly upload: string;
}

interface Operation {
  readonly query: string;
  readonly variables: Record<string, unknown>;
  readonly files?: TestFiles;
}

const CREATED_AT = new Date('2026-01-02T03:04:05.678Z');
const PAGE = 'nodes { id sequence: __typename }';

/**
 * An operation for each place. `named` are the ids that it names; `own` is a stream of who asks, for what is named inside a
 * stream of one's own.
 */
const OPERATIONS: Readonly<Record<string, (named: Belongings, own: string) => Operation>> = {
  'Query.stream(id)': ({ stream }) => ({
    query: 'query ($id: ID!) { stream(id: $id) { id name summary { frames } } }',
    variables: { id: stream },
  }),
  'Query.streams(after)': ({ stream }) => ({
    query: `query ($after: Cursor) { streams(after: $after, first: 100) { ${PAGE} } }`,
    // A moment later, so that the stream itself follows where it is there at all.
    variables: { after: encodeStreamCursor({ id: stream, createdAt: new Date(CREATED_AT.getTime() + 1) }) },
  }),
  'Query.images(after)': ({ image }) => ({
    query: 'query ($after: Cursor) { images(after: $after, first: 100) { nodes { id width } } }',
    variables: { after: encodeImageCursor({ id: image, createdAt: new Date(CREATED_AT.getTime() + 1) }) },
  }),
  'Query.image(id)': ({ image }) => ({
    query: 'query ($id: ID!) { image(id: $id) { id width faces { score } } }',
    variables: { id: image },
  }),
  'Mutation.pushFrame(streamId)': ({ pushed }) => ({
    query: 'mutation ($id: ID!, $frame: Upload!) { pushFrame(streamId: $id, frame: $frame) { sequence width } }',
    variables: { id: pushed, frame: null },
    files: { 'variables.frame': { name: 'frame.jpg', bytes: readFileSync(photograph(2)) } },
  }),
  'Mutation.stopStream(id)': ({ pushed }) => ({
    query: 'mutation ($id: ID!) { stopStream(id: $id) { id status } }',
    variables: { id: pushed },
  }),
  'Mutation.deleteStream(id)': ({ doomed }) => ({
    query: 'mutation ($id: ID!) { deleteStream(id: $id) { id frames } }',
    variables: { id: doomed },
  }),
  'Mutation.deleteImage(id)': ({ doomedImage }) => ({
    query: 'mutation ($id: ID!) { deleteImage(id: $id) }',
    variables: { id: doomedImage },
  }),
  'Subscription.frames(streamId)': ({ stream }) => ({
    query: 'subscription ($id: ID!) { frames(streamId: $id) { sequence faces { score } } }',
    variables: { id: stream },
  }),
  'Subscription.frames(after)': ({ stream }, own) => ({
    query: 'subscription ($id: ID!, $after: Cursor) { frames(streamId: $id, after: $after) { sequence } }',
    variables: { id: own, after: encodeFrameCursor(stream, 1) },
  }),
  'Subscription.streamStatus(streamId)': ({ stream }) => ({
    query: 'subscription ($id: ID!) { streamStatus(streamId: $id) { id status } }',
    variables: { id: stream },
  }),
  'AnalyzeVideoInput.mediaId': ({ upload }) => ({
    query: 'mutation ($id: ID!) { analyzeVideo(input: { mediaId: $id }) { source } }',
    variables: { id: upload },
  }),
  'Stream.frames(trackId)': ({ stream }, own) => ({
    query: 'query ($id: ID!, $track: ID) { stream(id: $id) { frames(trackId: $track) { nodes { sequence } } } }',
    variables: { id: own, track: `${stream}.1` },
  }),
  'Stream.frames(after)': ({ stream }, own) => ({
    query: 'query ($id: ID!, $after: Cursor) { stream(id: $id) { frames(after: $after) { nodes { sequence } } } }',
    variables: { id: own, after: encodeFrameCursor(stream, 1) },
  }),
  'Stream.tracks(after)': ({ stream }, own) => ({
    query: 'query ($id: ID!, $after: Cursor) { stream(id: $id) { tracks(after: $after) { nodes { number } } } }',
    variables: { id: own, after: encodeTrackCursor(stream, 1) },
  }),
  'Stream.timeline(trackId)': ({ stream }, own) => ({
    query: 'query ($id: ID!, $track: ID) { stream(id: $id) { timeline(bucketSeconds: 1, trackId: $track) { faces } } }',
    variables: { id: own, track: `${stream}.1` },
  }),
  'Stream.summary(trackId)': ({ stream }, own) => ({
    query: 'query ($id: ID!, $track: ID) { stream(id: $id) { summary(trackId: $track) { faces } } }',
    variables: { id: own, track: `${stream}.1` },
  }),
};

/** Of what is one's own: a place in them is one, whether or not something is there. */
const LISTS: ReadonlySet<string> = new Set(['Query.streams(after)', 'Query.images(after)']);

let server: KeyedServer;
let keys: Readonly<Record<'ann' | 'ben' | 'admin', TestKey>>;
let anns: Belongings;
let bens: Belongings;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let video: Buffer;

beforeAll(async () => {
  folder = await temporaryFolder();
  video = await readFile(await makeVideo(join(folder.path, 'video.mp4'), { frames: 5 }));
  server = await openKeyedServer(
    { KEY_OPEN_STREAMS: '0' },
    {
      before: async ({ makeKey }) => {
        const rights = ['read', 'write'] as const;
        keys = { ann: await makeKey(rights), ben: await makeKey(rights), admin: await makeKey(['admin']) };
      },
    },
  );
  anns = await furnish(keys.ann);
  bens = await furnish(keys.ben);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function furnish(key: TestKey): Promise<Belongings> {
  const [stream, doomed] = [randomUUID(), randomUUID()];
  const [image, doomedImage] = [randomUUID(), randomUUID()];
  for (const id of [stream, doomed]) {
    const ended = { status: 'COMPLETED', uploadId: null, createdAt: CREATED_AT, ownerKeyId: key.id } as const;
    await server.store.createStream(streamRecord(id, ended));
    await server.store.appendFrames(Array.from({ length: 5 }, (_, sequence) => frame(id, sequence)));
  }
  const picture = {
    createdAt: CREATED_AT,
    name: null,
    width: 8,
    height: 8,
    faces: [face(1)],
    latencyMs: 1,
    analysis: null,
  };
  for (const id of [image, doomedImage]) await server.store.saveImage({ id, ownerKeyId: key.id, ...picture });
  const client = server.as(key);
  const opened = await client.post('mutation { openPush(input: {}) { id } }');
  const upload = await client.putMedia(video);
  return { stream, doomed, image, doomedImage, pushed: opened.body.data.openPush.id, upload: upload.body.id };
}

/** The same things of nobody; the id of an upload names the key that it belongs to. */
function nobodys(key: TestKey): Belongings {
  const [stream, pushed, doomed] = [randomUUID(), randomUUID(), randomUUID()];
  const [image, doomedImage] = [randomUUID(), randomUUID()];
  return { stream, pushed, doomed, image, doomedImage, upload: `${randomUUID()}.${key.id}` };
}

async function ask(client: KeyClient, transport: Transport, { query, variables, files }: Operation): Promise<unknown> {
  return files === undefined
    ? client.first(transport, query, variables)
    : statusAndBody(await client.post(query, variables, files));
}

/** An answer as text, with the same word for every id that was named. */
function withoutIds(answer: unknown, named: Belongings): string {
  return Object.values(named).reduce((text, id) => text.replaceAll(id, 'ID'), JSON.stringify(answer));
}

test('every argument and input field that names something is in the table', () => {
  expect(Object.keys(OPERATIONS).sort()).toEqual(placesOfIds().sort());
});

describe.each(Object.keys(OPERATIONS))('%s', (place) => {
  const operation = OPERATIONS[place]!;
  const isSubscription = place.startsWith('Subscription');
  const transports = TRANSPORTS.filter((transport) => !(isSubscription && transport === 'HTTP'));

  test.each(transports)('takes the id of another key for an unknown one over %s', async (transport) => {
    const ben = server.as(keys.ben);
    const unknown = nobodys(keys.ben);
    const foreign = await ask(ben, transport, operation(anns, bens.stream));
    const nowhere = await ask(ben, transport, operation(unknown, bens.stream));
    expect(withoutIds(foreign, anns)).toBe(withoutIds(nowhere, unknown));
    expect(JSON.stringify(foreign)).not.toContain('"score"');
  });
});

describe('afterwards', () => {
  test.each(Object.keys(OPERATIONS))('%s works for the owner, whom nobody has disturbed', async (place) => {
    const transport = place.startsWith('Subscription') ? 'WebSocket' : 'HTTP';
    const ann = server.as(keys.ann);
    const unknown = nobodys(keys.ann);
    const own = await ask(ann, transport, OPERATIONS[place]!(anns, anns.stream));
    const nowhere = await ask(ann, transport, OPERATIONS[place]!(unknown, anns.stream));
    expect(own).not.toHaveProperty('errors');
    // Or the comparison above would say nothing.
    if (!LISTS.has(place)) expect(withoutIds(own, anns)).not.toBe(withoutIds(nowhere, unknown));
  });
});

describe('a key', () => {
  test.each(['streams', 'images'] as const)('lists its own %s alone, and an admin all', async (list) => {
    const listed = async (key: TestKey): Promise<string[]> => {
      const { body } = await server.as(key).post(`{ ${list}(first: 100) { nodes { id } } }`);
      return body.data[list].nodes.map(({ id }: { readonly id: string }) => id);
    };
    const [ann, ben, admin] = [await listed(keys.ann), await listed(keys.ben), await listed(keys.admin)];
    expect(ann).toContain(list === 'streams' ? anns.stream : anns.image);
    expect(ben).toContain(list === 'streams' ? bens.stream : bens.image);
    expect(ann.filter((id) => ben.includes(id))).toEqual([]);
    expect(admin).toEqual(expect.arrayContaining([...ann, ...ben]));
  });

  test('exports its own streams alone', async () => {
    const path = (id: string): string => `/streams/${id}/export?format=csv`;
    const unknown = randomUUID();
    const [foreign, nowhere, own, all] = [
      await server.as(keys.ben).send(path(anns.stream)),
      await server.as(keys.ben).send(path(unknown)),
      await server.as(keys.ann).send(path(anns.stream)),
      await server.as(keys.admin).send(path(anns.stream)),
    ];
    expect(foreign.status).toBe(404);
    expect(foreign.text.replace(anns.stream, 'ID')).toBe(nowhere.text.replace(unknown, 'ID'));
    expect([own.status, own.text.split('\n').length]).toEqual([200, 7]);
    expect(all.text).toBe(own.text);
  });

  test('hears of its own streams alone, and an admin of all', async () => {
    const query = 'subscription { streamStatus { id status } }';
    const leave = new AbortController();
    const listeners = [];
    for (const key of [keys.ben, keys.admin]) {
      const headers = { authorization: `Bearer ${key.text}` };
      listeners.push(eventData(await events(server.url, { headers, query, signal: leave.signal })));
    }
    const [ben, admin] = listeners.map((data) => data.next());
    const open = async (key: TestKey): Promise<string> =>
      (await server.as(key).post('mutation { openPush(input: {}) { id } }')).body.data.openPush.id;
    // Subscriptions begin a moment after their answer does: opened until the admin has heard one.
    let heard: unknown;
    void admin?.then(({ value }) => {
      heard = value;
    });
    while (heard === undefined) await open(keys.ann);
    const own = await open(keys.ben);
    expect(await ben).toMatchObject({ value: { data: { streamStatus: { id: own } } } });
    leave.abort();
  });

  test('owns what it makes: pushed, live and file streams, and pictures', async () => {
    const ann = server.as(keys.ann);
    const made = await ann.post(
      'mutation ($url: String!) { openPush(input: {}) { id } openStream(input: { url: $url }) { id } }',
      {
        url: 'http://127.0.0.1:19999/video',
      },
    );
    const { id: mediaId } = (await ann.putMedia(video)).body;
    const started = await ann.post('mutation ($id: ID!) { analyzeVideo(input: { mediaId: $id }) { id } }', {
      id: mediaId,
    });
    const scored = await ann.post(
      'mutation ($files: [Upload!]!) { analyzeImage(input: { files: $files }) { results { analysis { id } } } }',
      { files: [null] },
      { 'variables.files.0': { name: 'two.jpg', bytes: await readFile(photograph(2)) } },
    );
    const streams = [made.body.data.openPush.id, made.body.data.openStream.id, started.body.data.analyzeVideo.id];
    for (const id of streams) {
      expect((await server.store.stream(id))?.ownerKeyId).toBe(keys.ann.id);
      await ann.post('mutation ($id: ID!) { deleteStream(id: $id) { id } }', { id });
    }
    const [{ analysis }] = scored.body.data.analyzeImage.results;
    expect((await server.store.image(analysis.id))?.ownerKeyId).toBe(keys.ann.id);
  });

  test('of an admin opens what others have', async () => {
    const admin = server.as(keys.admin);
    const operation = OPERATIONS['Query.stream(id)']!(bens, '');
    expect(await ask(admin, 'HTTP', operation)).toMatchObject({ data: { stream: { id: bens.stream } } });
    const erased = await ask(admin, 'HTTP', OPERATIONS['Mutation.deleteStream(id)']!(bens, ''));
    expect(erased).toMatchObject({ data: { deleteStream: { id: bens.doomed, frames: 5 } } });
    const used = await ask(admin, 'HTTP', OPERATIONS['AnalyzeVideoInput.mediaId']!(bens, ''));
    expect(used).toMatchObject({ data: { analyzeVideo: { source: 'FILE' } } });
  });
});
