import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { platform } from 'node:os';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptLaunch } from '../../src/flow/index.ts';
import { readFrames } from '../../src/frames/index.ts';
import {
  createAddressGate,
  DefiniteError,
  LiveClock,
  type LiveSourceOptions,
  openLiveSource,
} from '../../src/ingest/index.ts';
import { freeUdpPort } from '../faults/fixtures/sources.ts';
import { type MediaFolder, mediaFolder } from './fixtures/media.ts';

const run = promisify(execFile);
const signal = new AbortController().signal;
const gate = createAddressGate({ allowedHosts: ['127.0.0.1'] });

interface Listening<T extends Server = Server> extends AsyncDisposable {
  readonly server: T;
  readonly port: number;
  readonly connections: readonly Socket[];
}

async function listening<T extends Server>(server: T, host = '127.0.0.1', port = 0): Promise<Listening<T>> {
  const connections: Socket[] = [];
  server.on('connection', (socket: Socket) => {
    connections.push(socket);
    socket.on('error', () => {});
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    server,
    connections,
    port: (server.address() as { readonly port: number }).port,
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers every RTSP request by what `answer` makes of its first line. */
function rtspServer(answer: (requestLine: string) => string): Server {
  return createServer((socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end);
        text = text.slice(end + 4);
        const sequence = /CSeq: (\d+)/.exec(request)?.[1];
        socket.write(answer(request.split('\r\n', 1)[0]!).replace('\r\n', `\r\nCSeq: ${sequence}\r\n`));
      }
    });
  });
}

function redirecting(location: string): Server {
  return rtspServer((line) =>
    line.startsWith('OPTIONS')
      ? 'RTSP/1.0 200 OK\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n'
      : `RTSP/1.0 302 Found\r\nLocation: ${location}\r\n\r\n`,
  );
}

/** Decodes some frames; resolves with how many came. */
async function readByFfmpeg(inputUrl: string, transport: 'tcp' | 'udp' = 'tcp'): Promise<number> {
  const args = `-nostdin -v error -rtsp_transport ${transport} -i ${inputUrl} -frames:v 10 -s 16x16 -pix_fmt gray -f rawvideo -`;
  const options = { encoding: 'buffer', timeout: 30_000 } as const;
  const { stdout } = await run('ffmpeg', args.split(' '), options).catch(
    (failed: { readonly stdout: Buffer }) => failed,
  );
  return stdout.length / 256;
}

const hasGstreamer =
  spawnSync('/usr/bin/python3', ['-c', 'import gi; gi.require_version("GstRtspServer", "1.0")']).status === 0;

async function gstreamer(...args: readonly string[]): Promise<AsyncDisposable & { readonly port: string }> {
  const script = fileURLToPath(new URL('fixtures/rtsp-server.py', import.meta.url));
  const server = spawn('/usr/bin/python3', [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  return {
    port: String(line).trim(),
    async [Symbol.asyncDispose]() {
      const exited = once(server, 'exit');
      server.kill('SIGKILL');
      await exited;
    },
  };
}

describe.skipIf(!hasGstreamer)('a real RTSP server', () => {
  let server: Awaited<ReturnType<typeof gstreamer>>;
  let port: string;
  beforeAll(async () => {
    server = await gstreamer();
    port = server.port;
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it.each(['tcp', 'udp'] as const)('plays over %s', async (transport) => {
    await using opened = await gate.open(`rtsp://127.0.0.1:${port}/live`, { signal });
    expect(await readByFfmpeg(opened.inputUrl, transport)).toBe(10);
    expect(opened.refusal).toBeUndefined();
  });

  it('plays where another redirects to it, again and again', async () => {
    await using other = await listening(redirecting(`rtsp://127.0.0.1:${port}/live`));
    await using opened = await gate.open(`rtsp://127.0.0.1:${other.port}/`, { signal });
    expect(await readByFfmpeg(opened.inputUrl)).toBe(10);
    expect(await readByFfmpeg(opened.inputUrl)).toBe(10);
  });
});

describe.skipIf(!hasGstreamer).each(['basic', 'digest'])('a real RTSP server that asks for a login, %s', (method) => {
  const login = `operator:${encodeURIComponent('Circle of Life')}`;
  let server: Awaited<ReturnType<typeof gstreamer>>;
  beforeAll(async () => {
    server = await gstreamer(method);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it.each(['TCP', 'UDP'] as const)(
    'plays over %s, and no argument of ffmpeg tells the login',
    async (rtspTransport) => {
      await using opened = await gate.open(`rtsp://${login}@127.0.0.1:${server.port}/live`, { signal });
      await using source = await openLiveSource(opened, liveOptions({ rtspTransport }));
      const frames = readFrames(source);
      for (let count = 0; count < 10; count += 1) expect((await frames.next()).done).toBe(false);
      if (platform() === 'linux') {
        const told = await Promise.all(
          ['cmdline', 'environ'].map((name) => readFile(`/proc/${source.processId}/${name}`)),
        );
        expect(String(told[0])).toContain('rtsp://127.0.0.1:');
        expect(told.join()).not.toMatch(/operator|Circle/);
      }
      await frames.return();
    },
  );

  it.each([
    ['a wrong one', `operator:wrong@`],
    ['none', ''],
  ])('refuses %s, and the error says so', async (_, given) => {
    await using opened = await gate.open(`rtsp://${given}127.0.0.1:${server.port}/live`, { signal });
    await expect(openLiveSource(opened, liveOptions())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('credentials'),
    });
  });
});

function liveOptions(wish: Partial<LiveSourceOptions> = {}): LiveSourceOptions {
  return {
    sampling: { kind: 'EVERY_FRAME' },
    maxSidePixels: 64,
    maxWidthPixels: null,
    fromFirst: true,
    clock: new LiveClock({ openedAtMs: Date.now(), lastPtsSeconds: null }),
    connectSeconds: 15,
    signal,
    ...wish,
  };
}

describe('an RTSP server that redirects', () => {
  it('would lead ffmpeg anywhere, which is why something stands between', async () => {
    await using canary = await listening(
      createServer((socket) => socket.end()),
      '127.0.0.2',
    );
    await using source = await listening(redirecting(`rtsp://127.0.0.2:${canary.port}/`));
    await readByFfmpeg(`rtsp://127.0.0.1:${source.port}/`);
    expect(canary.connections.length).toBeGreaterThan(0);
  });

  it.each([
    ['an inner address', 'rtsp://127.0.0.2:PORT/'],
    ['an inner address in another spelling', 'rtsp://2130706434:PORT/'],
    ['a port of another service', 'rtsp://127.0.0.1:6379/'],
    ['another protocol', 'http://127.0.0.1:PORT/'],
    ['no address', '/elsewhere'],
  ])('to %s is not followed', async (_, location) => {
    await using canary = await listening(
      createServer((socket) => socket.end()),
      '127.0.0.2',
    );
    await using source = await listening(redirecting(location.replace('PORT', String(canary.port))));
    await using opened = await gate.open(`rtsp://127.0.0.1:${source.port}/`, { signal });
    expect(await readByFfmpeg(opened.inputUrl)).toBe(0);
    expect(opened.refusal?.code).toBe('ADDRESS_REFUSED');
    expect(canary.connections).toEqual([]);
  });

  it('to itself ends', async () => {
    let port = 0;
    await using source = await listening(
      rtspServer((line) =>
        line.startsWith('OPTIONS')
          ? 'RTSP/1.0 200 OK\r\n\r\n'
          : `RTSP/1.0 302 Found\r\nLocation: rtsp://127.0.0.1:${port}/\r\n\r\n`,
      ),
    );
    port = source.port;
    const few = createAddressGate({ allowedHosts: ['127.0.0.1'], maxRedirects: 2 });
    await using opened = await few.open(`rtsp://127.0.0.1:${port}/`, { signal });
    expect(await readByFfmpeg(opened.inputUrl)).toBe(0);
    expect(source.connections.length).toBe(3);
  });
});

describe('TLS', () => {
  let folder: MediaFolder;
  let tls: Listening;
  const names: (string | false | null)[] = [];
  beforeAll(async () => {
    folder = await mediaFolder();
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=media.example'],
        ...[
          '-addext',
          'subjectAltName=DNS:media.example',
          '-keyout',
          folder.file('key.pem'),
          '-out',
          folder.file('cert.pem'),
        ],
      ],
      { stdio: 'ignore' },
    );
    const [key, cert] = await Promise.all(['key.pem', 'cert.pem'].map((name) => readFile(folder.file(name))));
    const server = createTlsServer({ key: key!, cert: cert! }, (socket: TLSSocket) => {
      names.push(socket.servername);
      socket.on('error', () => {});
      socket.once('data', (chunk: Buffer) => {
        const isHttp = String(chunk).startsWith('GET ');
        socket.end(isHttp ? 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nworld' : 'world');
      });
    });
    server.on('tlsClientError', () => {});
    tls = await listening(server);
  });
  afterAll(async () => {
    await tls[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  async function read(address: string, trusted: boolean): Promise<string> {
    const script = scriptLaunch('fixtures/tls-reader', import.meta.url);
    const { stdout } = await run(process.execPath, [...script.execArgv, fileURLToPath(script.url), address], {
      env: { PATH: process.env.PATH, ...(trusted ? { NODE_EXTRA_CA_CERTS: folder.file('cert.pem') } : {}) },
    });
    return stdout.trim();
  }

  it.each(['https', 'rtmps'])('of %s is spoken with the name, to the pinned address', async (scheme) => {
    names.length = 0;
    expect(await read(`${scheme}://media.example:${tls.port}/a/b`, true)).toBe('world');
    expect(names).toEqual(['media.example']);
  });

  it.each(['https', 'rtsps', 'rtmps'])('of %s without a trusted certificate is told for what it is', async (scheme) => {
    await using opened = await gate.open(`${scheme}://127.0.0.1:${tls.port}/a/b`, { signal });
    await expect(openLiveSource(opened, liveOptions())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('no certificate that is trusted'),
    });
  });

  it.each([
    ['https', 'media.example', false],
    ['rtmps', 'media.example', false],
    ['rtsps', 'media.example', false],
    ['https', 'other.example', true],
    ['rtmps', 'other.example', true],
    ['https', '127.0.0.1', true],
  ])('of %s sends nothing to %s without its own trusted certificate', async (scheme, host, trusted) => {
    expect(await read(`${scheme}://${host}:${tls.port}/a/b`, trusted)).toBe('nothing');
  });
});

describe('a login that an RTSP server refuses', () => {
  const demanding = rtspServer((line) =>
    line.startsWith('OPTIONS')
      ? 'RTSP/1.0 200 OK\r\n\r\n'
      : 'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n',
  );

  it.each([
    ['is a clear word, after few of which the camera is left alone', 'user:wrong@', true],
    ['is none where no password was given', '', false],
  ])('%s', async (_, login, isDefinite) => {
    await using server = await listening(demanding);
    await using opened = await gate.open(`rtsp://${login}127.0.0.1:${server.port}/live`, { signal });
    const failure = await openLiveSource(opened, liveOptions()).catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ code: 'SOURCE_UNREACHABLE', message: expect.stringContaining('credentials') });
    expect(failure instanceof DefiniteError && failure.maxCalls === 3).toBe(isDefinite);
  });
});

describe('the end of a relay', () => {
  it('ends both sides, frees the port, and may be asked for twice', async () => {
    await using source = await listening(createServer());
    const opened = await gate.open(`rtsp://127.0.0.1:${source.port}/`, { signal });
    const port = Number(new URL(opened.inputUrl).port);
    const client = connect(port, '127.0.0.1').on('error', () => {});
    const [upstream] = (await once(source.server, 'connection')) as [Socket];
    const ends = Promise.all([once(client, 'close'), once(upstream.resume(), 'close')]);
    await Promise.all([opened[Symbol.asyncDispose](), opened[Symbol.asyncDispose]()]);
    await opened[Symbol.asyncDispose]();
    await ends;
    const late = connect(port, '127.0.0.1');
    expect(((await once(late, 'error')) as [{ code: string }])[0].code).toBe('ECONNREFUSED');
  });

  it('passes the end of either side on to the other', async () => {
    await using source = await listening(createServer());
    await using opened = await gate.open(`rtsp://127.0.0.1:${source.port}/`, { signal });
    const port = Number(new URL(opened.inputUrl).port);
    for (const leaver of ['client', 'server'] as const) {
      const client = connect(port, '127.0.0.1').on('error', () => {});
      const [upstream] = (await once(source.server, 'connection')) as [Socket];
      const [leaving, staying] = leaver === 'client' ? [client, upstream] : [upstream, client];
      const left = once(staying.resume(), 'close');
      leaving.destroy();
      await left;
    }
  });

  it('lets ffmpeg go when nobody listens at the source', async () => {
    const gone = await listening(createServer());
    await gone[Symbol.asyncDispose]();
    await using opened = await gate.open(`rtsp://127.0.0.1:${gone.port}/`, { signal });
    expect(await readByFfmpeg(opened.inputUrl)).toBe(0);
  });
});

describe('a UDP address', () => {
  it('is listened to on loopback alone when loopback is what was allowed', async () => {
    const port = await freeUdpPort();
    await using opened = await gate.open(`udp://127.0.0.1:${port}`, { signal });
    const ffmpeg = spawn('ffmpeg', ['-nostdin', '-v', 'error', '-i', opened.inputUrl, '-f', 'null', '-'], {
      stdio: 'ignore',
    });
    const exited = once(ffmpeg, 'exit');
    // Both in hexadecimal; the addresses are the bytes of IPv4, backwards.
    const entry = new RegExp(` ([0-9A-F]{8}):${port.toString(16).toUpperCase().padStart(4, '0')} `);
    let local: string | undefined;
    while (local === undefined && ffmpeg.exitCode === null) {
      local = entry.exec(await readFile('/proc/net/udp', 'utf8'))?.[1];
    }
    ffmpeg.kill('SIGKILL');
    await exited;
    expect(local).toBe('0100007F');
  });
});
