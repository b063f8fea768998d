import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Observer } from '../faults/fixtures/observer.ts';
import { httpServer, motionJpeg, smallPhotograph } from '../faults/fixtures/sources.ts';
import { openServer, type TestServer } from '../support/server.ts';

const PUSH = `mutation ($id: ID!, $frame: Upload!, $at: DateTime) { pushFrame(streamId: $id, frame: $frame, capturedAt: $at) {
  cursor sequence ptsSeconds capturedAt width height skippedBefore droppedBefore faces { track { id number } affect { valence } } } }`;
const STREAM = `query ($id: ID!) { stream(id: $id) { id status source name labels address delivery framesPerSecond media { width }
  connection { attempt nextTryAt reconnects problem { code message retryable } }
  progress { framesDone framesSkipped mediaSecondsTotal share } } }`;

let server: TestServer;
let source: Awaited<ReturnType<typeof httpServer>>;
let jpeg: Buffer;
beforeAll(async () => {
  jpeg = await smallPhotograph();
  source = await httpServer((path, response) => {
    if (path.startsWith('/video')) motionJpeg(response, jpeg, 10);
    else response.writeHead(404).end();
  });
  server = await openServer({ RECONNECT_MAX_SECONDS: '0.2', MAX_LIVE_STREAMS: '2', STALL_SECONDS: '5' });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
});

async function remove(id: string): Promise<void> {
  await server.query('mutation ($id: ID!) { deleteStream(id: $id) { id } }', { id });
}

describe('openStream', () => {
  test('reads an address, shows it without its credentials, and can be stopped', async () => {
    const { data, errors } = await server.query(
      `mutation ($input: OpenStreamInput!) { openStream(input: $input) { id status source name labels address delivery
        rtspTransport framesPerSecond retentionDays connection { attempt nextTryAt reconnects problem { code } } media { width } } }`,
      {
        input: {
          url: `${source.url}/video?x=1`.replace('//', '//user:pa55word@'),
          name: 'front door',
          labels: ['door'],
          framesPerSecond: 8,
          maxWidthPixels: 320,
          smoothingSeconds: 0,
          trackMissSeconds: 3,
          retentionDays: 7.5,
        },
      },
    );
    expect(errors).toBeUndefined();
    const { id } = data.openStream;
    expect(data.openStream).toEqual({
      id,
      status: 'CONNECTING',
      source: 'LIVE',
      name: 'front door',
      labels: ['door'],
      address: `${source.url}/video?...`,
      delivery: 'LATEST',
      rtspTransport: 'AUTO',
      framesPerSecond: 8,
      retentionDays: 7.5,
      connection: { attempt: 0, nextTryAt: null, reconnects: 0, problem: null },
      media: null,
    });
    await using observer = new Observer(server, id);
    await observer.more(3);
    const running = await server.query(STREAM, { id });
    expect(running.data.stream).toMatchObject({
      status: 'RUNNING',
      progress: { mediaSecondsTotal: null, share: null },
    });
    expect(running.data.stream.progress.framesDone).toBeGreaterThanOrEqual(3);
    expect(JSON.stringify(running)).not.toContain('pa55word');
    const stopped = await server.query('mutation ($id: ID!) { stopStream(id: $id) { status } }', { id });
    expect(stopped.data.stopStream.status).toBe('STOPPED');
    await observer.becomes('STOPPED');
  });

  test('tells why a source cannot be reached and when it is tried again', async () => {
    const { data } = await server.query(
      'mutation ($input: OpenStreamInput!) { openStream(input: $input) { id name } }',
      { input: { url: `${source.url}/nothing` } },
    );
    const { id, name } = data.openStream;
    expect(name).toBe(`${source.url}/nothing`);
    await using observer = new Observer(server, id);
    await observer.becomes('RECONNECTING');
    const { connection } = (await server.query(STREAM, { id })).data.stream;
    expect(connection).toMatchObject({ problem: { code: 'SOURCE_UNREACHABLE', retryable: true }, reconnects: 0 });
    expect(connection.attempt).toBeGreaterThanOrEqual(1);
    expect(Number.isNaN(Date.parse(connection.nextTryAt))).toBe(false);
    await remove(id);
  });

  test.each([
    [{ url: 'http://10.1.2.3/video' }, 'ADDRESS_REFUSED'],
    [{ url: 'nonsense' }, 'BAD_INPUT'],
    [{ url: 'http://127.0.0.1/', framesPerSecond: 0 }, 'BAD_INPUT'],
    [{ url: 'http://127.0.0.1/', delivery: 'SOMETIMES' }, 'BAD_INPUT'],
    [{ url: 'http://127.0.0.1/', rtspTransport: 'UDP' }, 'BAD_INPUT'],
    [{ url: 'http://127.0.0.1/', name: '  ' }, 'BAD_INPUT'],
  ])('refuses %j with %s', async (input, code) => {
    const { errors } = await server.query('mutation ($input: OpenStreamInput!) { openStream(input: $input) { id } }', {
      input,
    });
    expect(errors?.[0]?.extensions.code).toBe(code);
  });
});

describe('pushFrame', () => {
  test('answers with the estimate, and a subscriber has it too', async () => {
    const { data } = await server.query(
      'mutation { openPush(input: {}) { id status source name address delivery connection { attempt } } }',
    );
    const { id } = data.openPush;
    expect(data.openPush).toMatchObject({
      status: 'RUNNING',
      source: 'PUSH',
      name: 'pushed',
      address: null,
      delivery: null,
      connection: null,
    });
    await using observer = new Observer(server, id);
    const frame = { name: 'frame.jpg', bytes: jpeg };
    for (const sequence of [0, 1]) {
      const at = new Date(Date.UTC(2026, 0, 1, 0, 0, sequence)).toISOString();
      const answer = await server.upload(PUSH, { id, frame: null, at }, { 'variables.frame': frame });
      expect(answer.errors).toBeUndefined();
      expect(answer.data.pushFrame).toMatchObject({ sequence, capturedAt: at, droppedBefore: 0 });
      expect(answer.data.pushFrame.faces.length).toBeGreaterThanOrEqual(2);
    }
    await observer.until('both frames', () => observer.frames.length === 2);
    expect(observer.frames[1]!.ptsSeconds - observer.frames[0]!.ptsSeconds).toBeCloseTo(1, 6);
    await remove(id);
  });

  test('says what is wrong with a picture or a stream', async () => {
    const { data } = await server.query('mutation { openPush(input: { name: "one" }) { id } }');
    const { id } = data.openPush;
    const text = { name: 'frame.jpg', bytes: new TextEncoder().encode('no picture') };
    const bad = await server.upload(PUSH, { id, frame: null }, { 'variables.frame': text });
    expect(bad.errors?.[0]?.extensions.code).toBe('MEDIA_UNSUPPORTED');
    const frame = { name: 'frame.jpg', bytes: jpeg };
    const nobody = await server.upload(PUSH, { id: 'nobody', frame: null }, { 'variables.frame': frame });
    expect(nobody.errors?.[0]?.extensions.code).toBe('NOT_FOUND');
    await remove(id);
  });
});
