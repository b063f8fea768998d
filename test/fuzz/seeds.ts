/** Right inputs, from which wrong ones are made. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { encodeFrameCursor, encodeStreamCursor, encodeTrackCursor } from '../../src/store/index.ts';
import { photograph, temporaryFolder } from '../pipeline/support.ts';

export const STREAM_ID = '0b54cbd6-6b3f-4d0c-9a53-2ec4d1fa8b6e';

/** Small pictures of faces in every format that is taken. */
export async function pictures(): Promise<readonly Buffer[]> {
  const small = sharp(await readFile(photograph(3))).resize({ width: 96, height: 72, fit: 'cover' });
  return Promise.all([
    small.clone().jpeg().toBuffer(),
    small.clone().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer(),
    small.clone().png().toBuffer(),
    small.clone().webp().toBuffer(),
    small.clone().webp({ lossless: true }).toBuffer(),
    small.clone().gif().toBuffer(),
    small.clone().tiff({ compression: 'lzw' }).toBuffer(),
    small.clone().tiff({ compression: 'none' }).toBuffer(),
  ]);
}

/** A clip of half a second in three containers. */
export async function clips(): Promise<{ readonly mp4: Buffer; readonly others: readonly Buffer[] }> {
  await using folder = await temporaryFolder();
  const make = async (name: string): Promise<Buffer> => {
    const path = join(folder.path, name);
    const source = ['-loop', '1', '-framerate', '10', '-i', photograph(3), '-vf', 'scale=96:72,format=yuv420p'];
    const encode = ['-frames:v', '5', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '5'];
    await promisify(execFile)('ffmpeg', ['-nostdin', '-v', 'error', ...source, ...encode, path]);
    return readFile(path);
  };
  const [mp4, mkv, ts] = await Promise.all(['clip.mp4', 'clip.mkv', 'clip.ts'].map(make));
  return { mp4: mp4!, others: [mkv!, ts!] };
}

/** Nothing that a server would go on with after the answer. */
export const DOCUMENTS = [
  '{ engine { name provider modelName workers maxBatch jobsRunning framesDone } }',
  'query ($first: Int = 3) { streams(first: $first, status: [RUNNING, FAILED]) { nodes { id name status labels } pageInfo { hasNextPage endCursor } } }',
  `{ stream(id: "${STREAM_ID}") { id status error { code message } frames(first: 10, fromSeconds: 0.5) { edges { cursor node { sequence faces { box { x y } affect { valence arousal quadrant } } } } } } }`,
  `query Q($id: ID!) { stream(id: $id) { ...S summary(fromSeconds: 1, toSeconds: 2) { frames valence { mean } } timeline(bucketSeconds: 1) { startSeconds frames } } } fragment S on Stream { id name progress { framesDone share } }`,
  `{ image(id: "${STREAM_ID}") { id faces { score landmarks { name x y } expressions { expression probability } } } }`,
  '{ __schema { types { name kind fields { name type { name ofType { name } } } } } }',
  `mutation { stopStream(id: "${STREAM_ID}") { id status } }`,
  `mutation { deleteStream(id: "${STREAM_ID}") { id frames faces tracks } }`,
  `mutation { deleteImage(id: "${STREAM_ID}") }`,
  `mutation { analyzeVideo(input: { mediaId: "${STREAM_ID}", name: "x", framesPerSecond: 5, labels: ["a", "b"] }) { id } }`,
  `subscription { frames(streamId: "${STREAM_ID}", fromStart: false) { cursor sequence faces { score } } }`,
];

export const GRAPHQL_WORDS = [
  ...['{', '}', '(', ')', '[', ']', ':', '!', '=', '$', '@', '...', '|', '&', '"', '"""', '#', ','],
  ...['query', 'mutation', 'subscription', 'fragment', 'on', 'true', 'null', '@include(if: true)', '@defer', '@stream'],
  ...['streams', 'nodes', 'edges', 'frames', 'first', 'after', 'id', 'name', '__typename', '__schema', 'faces', '-1'],
  ...['1e400', '99999999999', '"\\u0000"', '"\\ud800"', '""', '0x1', '$x: [ID!]! = [null]', 'a: id b: id c: id'],
];

/** Names that a document may have in place of others. */
export const GRAPHQL_NAMES = [
  ...[
    'stream',
    'streams',
    'engine',
    'image',
    'nodes',
    'edges',
    'node',
    'frames',
    'faces',
    'tracks',
    'timeline',
    'summary',
  ],
  ...['id', 'name', 'status', 'cursor', 'after', 'first', 'status', 'fromSeconds', 'toSeconds', 'trackId', 'box', 'x'],
  ...['bucketSeconds', 'includeEmpty', 'query', 'mutation', 'subscription', 'fragment', 'on', 'Stream', 'Int', 'Float'],
  ...[
    'streamStatus',
    'deleteStream',
    'stopStream',
    'mediaId',
    'labels',
    'null',
    'true',
    'RUNNING',
    '__typename',
    'Query',
  ],
];

export const WEBSOCKET_MESSAGES = [
  '{"type":"connection_init","payload":{"a":1}}',
  '{"type":"ping","payload":{}}',
  '{"type":"pong"}',
  '{"id":"1","type":"subscribe","payload":{"query":"{ engine { name } }"}}',
  '{"id":"2","type":"subscribe","payload":{"query":"query ($n: Int!) { streams(first: $n) { nodes { id } } }","variables":{"n":2},"operationName":null,"extensions":{}}}',
  `{"id":"3","type":"subscribe","payload":{"query":"subscription { frames(streamId: \\"${STREAM_ID}\\") { sequence } }"}}`,
  '{"id":"4","type":"subscribe","payload":{"query":"subscription { streamStatus { id status } }"}}',
  '{"id":"1","type":"complete"}',
];

export const CURSORS = [
  encodeFrameCursor(STREAM_ID, 12),
  encodeTrackCursor(STREAM_ID, 3),
  encodeStreamCursor({ id: STREAM_ID, createdAt: new Date(1_790_000_000_000) }),
];

export const ADDRESSES = [
  'rtsp://user:secret@10.0.0.7:554/live?x=1',
  'rtsps://[fe80::1]/a',
  'rtmp://127.0.0.1/live/camera',
  'srt://192.168.1.4:9000?passphrase=0123456789&mode=caller',
  'udp://239.1.2.3:5000',
  'http://169.254.169.254/latest/meta-data',
  'https://[::ffff:127.0.0.1]:8443/index.m3u8?token=a#b',
  'http://localhost:8080/video',
  'https://xn--bcher-kva.example/stream',
];
