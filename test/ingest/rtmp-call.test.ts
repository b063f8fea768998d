import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createAddressGate, LiveClock, openLiveSource } from '../../src/ingest/index.ts';
import { applicationOf } from '../../src/ingest/rtmp-call.ts';

const HANDSHAKE_BYTES = 1536;
const HEADER_BYTES = 12;
const CHUNK_BYTES = 128;

/** Shakes hands as an RTMP server, and hangs up when it has heard by which words it is called. */
async function rtmpServer() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    /** Texts of the next client's call by their names. */
    async called(): Promise<Record<string, string>> {
      const [socket] = (await once(server, 'connection')) as [Socket];
      socket.on('error', () => {});
      let heard = Buffer.alloc(0);
      let greeted = false;
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        heard = Buffer.concat([heard, chunk]);
        if (!greeted && heard.length > HANDSHAKE_BYTES) {
          greeted = true;
          const version = Buffer.from([3]);
          socket.write(Buffer.concat([version, Buffer.alloc(HANDSHAKE_BYTES), heard.subarray(1, 1 + HANDSHAKE_BYTES)]));
        }
        const call = heard.subarray(1 + 2 * HANDSHAKE_BYTES);
        if (call.length < HEADER_BYTES) continue;
        const length = call.readUIntBE(4, 3);
        const chunks = Math.ceil(length / CHUNK_BYTES);
        if (call.length < HEADER_BYTES + length + chunks - 1) continue;
        const pieces = Array.from({ length: chunks }, (_, index) => {
          const start = HEADER_BYTES + index * (CHUNK_BYTES + 1);
          return call.subarray(start, start + CHUNK_BYTES);
        });
        socket.destroy();
        return textsOf(Buffer.concat(pieces).subarray(0, length));
      }
      throw new Error('the client left without a call');
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** AMF0: a name is two bytes of length and text, a text value a 2, two bytes of length and text. */
function textsOf(message: Buffer): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of ['app', 'tcUrl']) {
    const at = message.indexOf(`\0${String.fromCharCode(name.length)}${name}\x02`, 0, 'latin1') + name.length + 3;
    texts[name] = message.subarray(at + 2, at + 2 + message.readUInt16BE(at)).toString('latin1');
  }
  return texts;
}

const PATHS = [
  '',
  '/',
  '/live',
  '/live/key',
  '/live/key?token=a/b',
  '/live?token=a/b',
  '/live/instance/key',
  '/live/instance/key/more',
  '/live/mp4:film/part',
  '/live/instance/mp4:film',
  '/live/',
  '/ondemand/film',
  '/ondemand/deep/film',
  '/live/a?slist=b',
  '/live/a/b?x=1&slist=b/c&y=2',
];

describe('the call of an RTMP server', () => {
  it.each(PATHS)('names the application that ffmpeg takes from %s', async (path) => {
    await using server = await rtmpServer();
    const called = server.called();
    const args = ['-nostdin', '-v', 'error', '-i', `rtmp://127.0.0.1:${server.port}${path}`, '-f', 'null', '-'];
    const ffmpeg = spawn('ffmpeg', args, { stdio: 'ignore' });
    const { app } = await called;
    ffmpeg.kill('SIGKILL');
    expect(applicationOf(path)).toBe(app);
  });

  it('is by the name of the server, not by the address that the name has', async () => {
    await using server = await rtmpServer();
    const gate = createAddressGate({ allowedHosts: ['127.0.0.1'], resolve: async () => ['127.0.0.1'] });
    const { signal } = new AbortController();
    await using opened = await gate.open(`rtmp://user:pa55word@media.example:${server.port}/live/instance/key`, {
      signal,
    });
    const called = server.called();
    const opening = openLiveSource(opened, {
      sampling: { kind: 'EVERY_FRAME' },
      maxSidePixels: 64,
      maxWidthPixels: null,
      fromFirst: true,
      clock: new LiveClock({ openedAtMs: Date.now(), lastPtsSeconds: null }),
      connectSeconds: 10,
      signal,
    }).catch((thrown: unknown) => thrown);
    expect(await called).toEqual({
      app: 'live/instance',
      tcUrl: `rtmp://media.example:${server.port}/live/instance`,
    });
    await opening;
  });

  it('is by the name of the server behind the relay of RTMPS too', async () => {
    const gate = createAddressGate({ resolve: async () => ['93.184.216.34'] });
    await using opened = await gate.open('rtmps://media.example/live/key?token=a', {
      signal: new AbortController().signal,
    });
    expect(opened.calledUrl).toBe('rtmps://media.example:443/live');
  });
});
