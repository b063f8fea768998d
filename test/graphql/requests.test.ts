import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeVideo, photograph, temporaryFolder } from '../pipeline/support.ts';
import { openServer, type TestServer } from '../support/server.ts';

const ANALYZE = `mutation ($files: [Upload!]!) { analyzeImage(input: { files: $files }) { results {
  name error { code message retryable }
  analysis { id width height faces {
    track { id number } score box { x y width height } landmarks { name x y }
    affect { valence arousal intensity angleDegrees quadrant } smoothed { valence }
    expressions { expression probability } uncertainty } } } } }`;
const START = `mutation ($input: AnalyzeVideoInput!) { analyzeVideo(input: $input) { id status name labels framesPerSecond media { width } } }`;
const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const LIMIT_BYTES = 2 * 1024 * 1024;

let server: TestServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let video: Buffer;
beforeAll(async () => {
  folder = await temporaryFolder();
  video = await readFile(await makeVideo(join(folder.path, 'video.mp4'), { frames: 30 }));
  server = await openServer({ MAX_UPLOAD_BYTES: String(LIMIT_BYTES) });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function analyze(...pictures: readonly { name: string; bytes: Uint8Array }[]) {
  const files = Object.fromEntries(pictures.map((picture, index) => [`variables.files.${index}`, picture]));
  return server.upload(ANALYZE, { files: pictures.map(() => null) }, files);
}

async function finished(id: string): Promise<string> {
  for (;;) {
    const { data } = await server.query('query ($id: ID!) { stream(id: $id) { status } }', { id });
    if (!['QUEUED', 'RUNNING'].includes(data.stream.status)) return data.stream.status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function codes(answer: { readonly errors?: readonly { readonly extensions: { readonly code: string } }[] }): string[] {
  return (answer.errors ?? []).map(({ extensions }) => extensions.code);
}

describe('pictures', () => {
  test('several in one request have their faces, in the order of the files, and are found again', async () => {
    const { data, errors } = await analyze(
      { name: 'five.jpg', bytes: await readFile(photograph(5)) },
      { name: 'two.jpg', bytes: await readFile(photograph(2)) },
    );
    expect(errors).toBeUndefined();
    const [five, two] = data.analyzeImage.results;
    expect([five.name, five.analysis.faces.length, two.name, two.analysis.faces.length]).toEqual([
      'five.jpg',
      5,
      'two.jpg',
      2,
    ]);
    for (const face of [...five.analysis.faces, ...two.analysis.faces]) {
      expect(Math.abs(face.affect.valence)).toBeLessThanOrEqual(1);
      expect(face.affect.intensity).toBeCloseTo(Math.min(1, Math.hypot(face.affect.valence, face.affect.arousal)), 9);
      const total = face.expressions.reduce(
        (sum: number, { probability }: { probability: number }) => sum + probability,
        0,
      );
      expect(total).toBeCloseTo(1, 4);
      expect(face.landmarks).toHaveLength(6);
      expect(face.track.id.endsWith(`.${face.track.number}`)).toBe(true);
    }
    const again = await server.query('query ($id: ID!) { image(id: $id) { name faces { score } } }', {
      id: two.analysis.id,
    });
    expect(again.data.image).toMatchObject({ name: 'two.jpg', faces: [{}, {}] });
    const erase = 'mutation ($id: ID!) { deleteImage(id: $id) }';
    expect((await server.query(erase, { id: two.analysis.id })).data).toEqual({ deleteImage: true });
    expect((await server.query('query ($id: ID!) { image(id: $id) { name } }', { id: two.analysis.id })).data).toEqual({
      image: null,
    });
  });

  test('one bad picture has its typed error and the others their faces', async () => {
    const good = await readFile(photograph(2));
    const { data } = await analyze(
      { name: 'text.jpg', bytes: Buffer.from('this is no picture') },
      { name: 'vector.svg', bytes: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>') },
      { name: 'half.jpg', bytes: good.subarray(0, good.length / 2) },
      { name: 'nothing.jpg', bytes: Buffer.alloc(0) },
      {
        name: 'huge.png',
        bytes: await sharp({ create: { width: 10_000, height: 10_000, channels: 3, background: '#123' } })
          .png()
          .toBuffer(),
      },
      { name: 'good.jpg', bytes: good },
    );
    const results = data.analyzeImage.results as {
      name: string;
      error: { code: string } | null;
      analysis: { faces: unknown[] } | null;
    }[];
    expect(results.map(({ name, error, analysis }) => [name, error?.code ?? analysis?.faces.length])).toEqual([
      ['text.jpg', 'MEDIA_UNSUPPORTED'],
      ['vector.svg', 'MEDIA_UNSUPPORTED'],
      ['half.jpg', 'MEDIA_DAMAGED'],
      ['nothing.jpg', 'MEDIA_UNSUPPORTED'],
      ['huge.png', 'PICTURE_TOO_LARGE'],
      ['good.jpg', 2],
    ]);
  });

  test('a picture without a face has none, and that is no error', async () => {
    const bytes = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#89a' } })
      .jpeg()
      .toBuffer();
    const { data } = await analyze({ name: 'wall.jpg', bytes });
    expect(data.analyzeImage.results[0]).toMatchObject({
      error: null,
      analysis: { width: 300, height: 200, faces: [] },
    });
  });
});

describe('videos', () => {
  test('put on disk first, then named, are scored; history, tracks, timeline and summary agree', async () => {
    const put = await server.putMedia(video);
    expect(put.status).toBe(201);
    const { id: mediaId, sizeBytes } = put.body;
    expect(sizeBytes).toBe(video.length);
    const started = await server.query(START, {
      input: { mediaId, name: 'wander', labels: ['a', 'b'], framesPerSecond: 12.5 },
    });
    expect(started.data.analyzeVideo).toMatchObject({
      status: 'QUEUED',
      name: 'wander',
      labels: ['a', 'b'],
      framesPerSecond: 12.5,
      media: { width: 640 },
    });
    const { id } = started.data.analyzeVideo;
    expect(await finished(id)).toBe('COMPLETED');
    const { data } = await server.query(
      `query ($id: ID!) { stream(id: $id) {
        source progress { framesDone facesFound share } startedAt endedAt error { code } warnings { code }
        frames(first: 5) { edges { cursor node { cursor sequence ptsSeconds faces { track { id } } } } nodes { sequence } pageInfo { hasNextPage endCursor } }
        tracks { nodes { id number frames meanAffect { valence quadrant } } }
        timeline(bucketSeconds: 0.5) { startSeconds frames faces valence { mean min max deviation } }
        summary { frames faces tracks valence { mean } quadrants { quadrant share } expressions { expression probability } } } }`,
      { id },
    );
    const { stream } = data;
    expect(stream).toMatchObject({ source: 'FILE', error: null, warnings: [], progress: { framesDone: 15, share: 1 } });
    expect(stream.frames.nodes.map(({ sequence }: { sequence: number }) => sequence)).toEqual([0, 1, 2, 3, 4]);
    expect(stream.frames.edges[4].cursor).toBe(stream.frames.pageInfo.endCursor);
    expect(stream.frames.edges[4].cursor).toBe(stream.frames.edges[4].node.cursor);
    expect(stream.frames.edges[1].node.ptsSeconds).toBeCloseTo(0.08, 6);
    expect(stream.summary).toMatchObject({
      frames: 15,
      faces: stream.progress.facesFound,
      tracks: stream.tracks.nodes.length,
    });
    expect(stream.tracks.nodes.length).toBeGreaterThanOrEqual(3);
    const buckets = stream.timeline as { frames: number; faces: number }[];
    expect(buckets.reduce((sum, { frames }) => sum + frames, 0)).toBe(15);
    expect(buckets.reduce((sum, { faces }) => sum + faces, 0)).toBe(stream.summary.faces);

    const rest = await server.query(
      'query ($id: ID!, $after: Cursor, $trackId: ID) { stream(id: $id) { frames(after: $after, trackId: $trackId, first: 100) { nodes { sequence faces { track { id } } } pageInfo { hasNextPage } } } }',
      { id, after: stream.frames.pageInfo.endCursor, trackId: stream.tracks.nodes[0].id },
    );
    const { nodes, pageInfo } = rest.data.stream.frames;
    expect(pageInfo.hasNextPage).toBe(false);
    expect(nodes[0].sequence).toBe(5);
    for (const { faces } of nodes) expect(faces).toEqual([{ track: { id: stream.tracks.nodes[0].id } }]);

    const listed = await server.query('{ streams(first: 1, status: [COMPLETED]) { nodes { id } } }');
    expect(listed.data.streams.nodes).toEqual([{ id }]);
    const deleted = await server.query('mutation ($id: ID!) { deleteStream(id: $id) { id frames faces tracks } }', {
      id,
    });
    expect(deleted.data.deleteStream).toMatchObject({ id, frames: 15, faces: stream.summary.faces });
    expect((await server.query('query ($id: ID!) { stream(id: $id) { id } }', { id })).data).toEqual({ stream: null });
    expect(await server.uploadedFiles()).toEqual([]);
  });

  test('in a multipart request are scored too, under their own name', async () => {
    const { data, errors } = await server.upload(
      START,
      { input: { file: null } },
      { 'variables.input.file': { name: 'clip.mp4', bytes: video } },
    );
    expect(errors).toBeUndefined();
    expect(data.analyzeVideo).toMatchObject({ name: 'clip.mp4', framesPerSecond: null });
    expect(await finished(data.analyzeVideo.id)).toBe('COMPLETED');
  });

  test('may have a limit of their own to how long they are kept', async () => {
    const start = `mutation ($input: AnalyzeVideoInput!) { analyzeVideo(input: $input) { id retentionDays } }`;
    const mediaId = (await server.putMedia(video)).body.id;
    for (const retentionDays of [0, -1, 36_501]) {
      expect(codes(await server.query(start, { input: { mediaId, retentionDays } }))).toEqual(['BAD_INPUT']);
    }
    const { data } = await server.query(start, { input: { mediaId, framesPerSecond: 2, retentionDays: 0.5 } });
    expect(data.analyzeVideo.retentionDays).toBe(0.5);
    await finished(data.analyzeVideo.id);
    const again = await server.query('query ($id: ID!) { stream(id: $id) { retentionDays } }', data.analyzeVideo);
    expect(again.data.stream.retentionDays).toBe(0.5);
    const other = (await server.putMedia(video)).body.id;
    const without = await server.query(start, { input: { mediaId: other, framesPerSecond: 2 } });
    expect(without.data.analyzeVideo.retentionDays).toBeNull();
    await finished(without.data.analyzeVideo.id);
  });

  test('that are none are refused at once and leave no file', async () => {
    for (const [bytes, code] of [
      [Buffer.from('#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n'), 'MEDIA_BLOCKED'],
      [Buffer.from('nothing of the kind'), 'MEDIA_UNSUPPORTED'],
      [video.subarray(0, 2000), 'MEDIA_DAMAGED'],
    ] as const) {
      const { id } = (await server.putMedia(bytes)).body;
      const answer = await server.query(START, { input: { mediaId: id } });
      expect(codes(answer)).toEqual([code]);
    }
    expect(await server.uploadedFiles()).toEqual([]);
  });
});

describe('bad requests', () => {
  const STREAM =
    'query ($id: ID!, $from: Float, $to: Float, $after: Cursor, $first: Int) { stream(id: $id) { frames(fromSeconds: $from, toSeconds: $to, after: $after, first: $first) { nodes { sequence } } } }';

  test('ids that are nowhere', async () => {
    expect(
      (await server.query('query ($id: ID!) { stream(id: $id) { id } image(id: $id) { id } }', { id: UNKNOWN })).data,
    ).toEqual({ stream: null, image: null });
    for (const mutation of ['stopStream', 'deleteStream']) {
      expect(codes(await server.query(`mutation ($id: ID!) { ${mutation}(id: $id) { id } }`, { id: UNKNOWN }))).toEqual(
        ['NOT_FOUND'],
      );
    }
    for (const mediaId of [UNKNOWN, '../../etc/passwd', '']) {
      expect(codes(await server.query(START, { input: { mediaId } }))).toEqual(['NOT_FOUND']);
    }
  });

  test('cursors, ranges, pages, tracks and inputs that cannot be', async () => {
    const mediaId = (await server.putMedia(video)).body.id;
    const { data } = await server.query(START, { input: { mediaId, framesPerSecond: 2 } });
    const { id } = data.analyzeVideo;
    await finished(id);
    expect(codes(await server.query(STREAM, { id, after: 'nonsense' }))).toEqual(['CURSOR_INVALID']);
    expect(codes(await server.query(STREAM, { id, from: 2, to: 1 }))).toEqual(['RANGE_INVALID']);
    for (const first of [0, -1, 1001]) expect(codes(await server.query(STREAM, { id, first }))).toEqual(['BAD_INPUT']);
    const track = 'query ($id: ID!, $track: ID) { stream(id: $id) { summary(trackId: $track) { faces } } }';
    expect(codes(await server.query(track, { id, track: `${UNKNOWN}.1` }))).toEqual(['NOT_FOUND']);
    expect(
      codes(
        await server.query('query ($id: ID!) { stream(id: $id) { timeline(bucketSeconds: 0) { frames } } }', { id }),
      ),
    ).toEqual(['BAD_INPUT']);
    for (const input of [
      {},
      { mediaId, framesPerSecond: 0 },
      { mediaId, name: ' ' },
      { mediaId, labels: ['x'.repeat(101)] },
    ]) {
      expect(codes(await server.query(START, { input }))).toEqual(['BAD_INPUT']);
    }
    expect(codes(await server.query('{ nothing }'))).toEqual(['BAD_INPUT']);
    expect(codes(await server.query('{ engine {'))).toEqual(['BAD_INPUT']);
  });

  test('queries that are too deep, too wide, too long or too costly', async () => {
    const deep = `{ streams { nodes { ${'frames { edges { node { faces { affect { '.repeat(4)} valence ${'} } } } }'.repeat(4)} } } }`;
    const wide = `{ ${Array.from({ length: 40 }, (_, index) => `a${index}: engine { name }`).join(' ')} }`;
    const long = `{ engine { ${'name '.repeat(3000)} } }`;
    for (const query of [deep, wide, long]) expect(codes(await server.query(query))).toContain('QUERY_TOO_COMPLEX');
    const whole = `{ streams { nodes { id frames { nodes { faces { track { id } box { x } landmarks { name x y } affect { valence arousal intensity angleDegrees quadrant }
      smoothed { valence arousal } expressions { expression probability } } } } tracks { nodes { meanAffect { valence } } } timeline(bucketSeconds: 1) { valence { mean } } summary { valence { mean } } } } }`;
    expect(codes(await server.query(whole))).toEqual([]);
    expect(
      (
        await server.query(
          '{ __schema { types { name fields { name type { name ofType { name ofType { name } } } } } } }',
        )
      ).errors,
    ).toBeUndefined();
  });

  test('requests that another site could make a browser send', async () => {
    const body = JSON.stringify({ query: 'mutation { deleteImage(id: "x") }' });
    const plain = await fetch(server.url, { method: 'POST', headers: { 'content-type': 'text/plain' }, body });
    expect(plain.status).toBe(400);
    const get = await fetch(`${server.url}?query=${encodeURIComponent('mutation { deleteImage(id: "x") }')}`);
    expect(get.status).toBe(405);
    const preflight = await fetch(server.url, {
      method: 'OPTIONS',
      headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
    expect(await statusFor({ host: 'rebound.example' })).toBe(400);
    expect(await statusFor({})).toBe(200);
  });

  test('paths that are nowhere, and the page of GraphiQL', async () => {
    expect((await fetch(new URL('/elsewhere', server.url))).status).toBe(404);
    const page = await fetch(server.url, { headers: { accept: 'text/html' } });
    const text = await page.text();
    expect(text).toContain('circumplex');
    // Everything comes with the page: it works without a network.
    expect(text).not.toMatch(/(src|href)="https?:/);
  });

  function statusFor(headers: Record<string, string>): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request(
        `${server.url}?query={engine{name}}`,
        { headers: { accept: 'application/json', ...headers } },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      asked.once('error', reject);
      asked.end();
    });
  }
});

describe('uploads', () => {
  test('over the limit are refused by their length before a byte is read, or where the limit is passed', async () => {
    const announced = await server.putMedia(new Uint8Array(LIMIT_BYTES + 1));
    expect(announced.status).toBe(413);
    expect(announced.body).toMatchObject({ error: { code: 'UPLOAD_TOO_LARGE', retryable: false } });
    async function* endless() {
      for (let sent = 0; sent <= 2 * LIMIT_BYTES; sent += 65_536) yield new Uint8Array(65_536);
    }
    const streamed = fetch(server.mediaUrl, {
      method: 'PUT',
      body: endless(),
      duplex: 'half',
    } as unknown as RequestInit);
    // Cut while it sends, the client may see the answer or the cut.
    const status = await streamed.then(
      (response) => response.status,
      () => 413,
    );
    expect(status).toBe(413);
    expect(await server.uploadedFiles()).toEqual([]);
  });

  test('whose client vanishes in the middle leave no file, and the server goes on', async () => {
    for (const headers of [{ 'content-length': '1000000' }, { 'transfer-encoding': 'chunked' }]) {
      await new Promise<void>((resolve) => {
        const sending = request(server.mediaUrl, { method: 'PUT', headers }, () => undefined);
        sending.once('error', () => resolve());
        sending.write(Buffer.alloc(200_000), () => setTimeout(() => sending.destroy(new Error('gone')), 50));
      });
    }
    await expect.poll(() => server.uploadedFiles()).toEqual([]);
    expect((await server.query('{ engine { name } }')).data).toEqual({ engine: { name: 'onnxruntime' } });
  });

  test('by another method than PUT are told so', async () => {
    const response = await fetch(server.mediaUrl);
    expect([response.status, response.headers.get('allow')]).toEqual([400, 'PUT']);
  });
});
