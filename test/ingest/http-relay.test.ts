import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage, type RequestListener, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AddressGateOptions, createAddressGate, type OpenedAddress } from '../../src/ingest/index.ts';
import { folderOf, httpSource, readByFfmpeg } from './fixtures/http-source.ts';
import { type MediaFolder, mediaFolder, pattern } from './fixtures/media.ts';

const signal = new AbortController().signal;
/** 127.0.0.1 stands for the public network, every other address of loopback for what is refused. */
const ALLOWED = ['127.0.0.1'];

function openAddress(address: string, options: AddressGateOptions = {}): Promise<OpenedAddress> {
  return createAddressGate({ allowedHosts: ALLOWED, ...options }).open(address, { signal });
}

async function fetched(url: string, options: object = {}) {
  const [response] = (await once(get(url, { agent: false, ...options }), 'response')) as [IncomingMessage];
  let body = '';
  response.setEncoding('latin1').on('data', (text: string) => (body += text));
  const ended = await once(response, 'close').then(() => response.complete);
  return { status: response.statusCode, headers: response.headers, body, complete: ended };
}

let media: MediaFolder;
beforeAll(async () => {
  media = await mediaFolder();
  const x264 = '-c:v libx264 -preset ultrafast -g 10';
  await writeFile(media.file('key.bin'), randomBytes(16));
  await writeFile(media.file('key.info'), `key.bin\n${media.file('key.bin')}\n`);
  await media.ffmpeg(`${pattern('64x48', 10, 5)} ${x264} -f hls -hls_time 1 -hls_list_size 0 {plain.m3u8}`);
  await media.ffmpeg(
    `${pattern('64x48', 10, 3)} ${x264} -f hls -hls_time 1 -hls_list_size 0 -hls_key_info_file {key.info} {secret.m3u8}`,
  );
  await media.ffmpeg(
    `${pattern('64x48', 10, 3)} ${x264} -f hls -hls_time 1 -hls_list_size 0 -hls_segment_type fmp4 -hls_flags single_file -b:v 200k` +
      ' -master_pl_name master.m3u8 {ranges.m3u8}',
  );
  await media.ffmpeg(`${pattern('64x48', 10, 5)} ${x264} {late-index.mp4}`);
  await media.ffmpeg(`${pattern('64x48', 10, 2)} -f mpjpeg {cam.mjpg}`);
});
afterAll(() => media[Symbol.asyncDispose]());

describe('what ffmpeg plays through the relay', () => {
  it('a live playlist that grows while it plays', async () => {
    const whole = (await readFile(media.file('plain.m3u8'), 'utf8')).trim().split('\n');
    const segments = whole.filter((line) => line.endsWith('.ts'));
    let looks = 0;
    const files = folderOf(media.path);
    await using source = await httpSource((request, response) => {
      if (!request.url!.endsWith('.m3u8')) return files(request, response);
      looks += 1;
      const known = Math.min(segments.length, 2 + looks);
      const text = whole.slice(0, whole.indexOf(segments[known - 1]!) + 1);
      response.end([...text, ...(known === segments.length ? ['#EXT-X-ENDLIST'] : [])].join('\n'));
    });
    await using opened = await openAddress(`${source.origin}/plain.m3u8`);
    const { frames } = await readByFfmpeg(opened.inputUrl, '-live_start_index', '0');
    expect(frames).toBe(50);
    expect(looks).toBeGreaterThanOrEqual(3);
    expect(opened.refusal).toBeUndefined();
  });

  it.each([
    ['an encrypted playlist with its key', '/secret.m3u8', 30],
    ['a master playlist with byte ranges of one file and an initialisation', '/master.m3u8', 30],
    ['an MP4 whose index is at its end', '/late-index.mp4', 50],
  ])('%s', async (_, path, expected) => {
    await using source = await httpSource(folderOf(media.path));
    await using opened = await openAddress(source.origin + path);
    const { frames, complaints } = await readByFfmpeg(opened.inputUrl);
    expect(complaints).toBe('');
    expect(frames).toBe(expected);
  });

  it('segments without an ending that ffmpeg knows', async () => {
    const files = folderOf(media.path);
    const playlist = (await readFile(media.file('plain.m3u8'), 'utf8')).replaceAll('.ts', '?part');
    await using source = await httpSource((request, response) => {
      if (request.url === '/live') return void response.end(playlist);
      request.url = `${request.url!.replace('?part', '.ts')}`;
      files(request, response);
    });
    await using opened = await openAddress(`${source.origin}/live`);
    expect((await readByFfmpeg(opened.inputUrl)).frames).toBe(50);
  });

  it('asks the source for the ranges that ffmpeg asks for', async () => {
    await using source = await httpSource(folderOf(media.path));
    await using opened = await openAddress(`${source.origin}/late-index.mp4`);
    await readByFfmpeg(opened.inputUrl);
    expect(source.requests.some(({ headers }) => /^bytes=[1-9]\d*-/.test(headers.range ?? ''))).toBe(true);
  });

  it('a camera that sends JPEG pictures one after the other', async () => {
    const bytes = await readFile(media.file('cam.mjpg'));
    await using source = await httpSource((_, response) => {
      response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=ffmpeg' }).end(bytes);
    });
    await using opened = await openAddress(`${source.origin}/cam`);
    expect((await readByFfmpeg(opened.inputUrl)).frames).toBe(20);
  });
});

describe('redirects', () => {
  it('are followed to what is allowed, and relative addresses relate to where they led', async () => {
    const files = folderOf(media.path);
    await using source = await httpSource((request, response) => {
      if (request.url === '/here') response.writeHead(302, { location: '/deep/down/plain.m3u8' }).end();
      else if (request.url!.startsWith('/deep/down/')) {
        request.url = request.url!.slice('/deep/down'.length);
        files(request, response);
      } else response.writeHead(404).end();
    });
    await using opened = await openAddress(`${source.origin}/here`);
    expect((await readByFfmpeg(opened.inputUrl)).frames).toBe(50);
  });

  it.each([
    ['an inner address', 'http://127.0.0.2:PORT/'],
    ['an inner address in another spelling', 'http://0x7f.2:PORT/'],
    ['metadata', 'http://169.254.169.254/latest/'],
    ['a file', 'file:///etc/passwd'],
    ['another protocol', 'rtsp://127.0.0.1:PORT/'],
    ['a port of another service', 'http://127.0.0.1:6379/'],
  ])('to %s are refused, and nobody is connected to', async (_, location) => {
    await using canary = await httpSource((_, response) => response.end('secret'), { host: '127.0.0.2' });
    await using source = await httpSource((_, response) => {
      response.writeHead(302, { location: location.replace('PORT', String(canary.port)) }).end();
    });
    await using opened = await openAddress(`${source.origin}/`);
    expect(await fetched(opened.inputUrl)).toMatchObject({ status: 403, body: '' });
    expect(await readByFfmpeg(opened.inputUrl)).toMatchObject({
      frames: 0,
      complaints: expect.stringContaining('403'),
    });
    expect(opened.refusal?.code).toBe('ADDRESS_REFUSED');
    expect(canary.requests).toEqual([]);
  });

  it('end after so many', async () => {
    await using source = await httpSource((request, response) => {
      response.writeHead(307, { location: `/${Number(request.url!.slice(1)) + 1}` }).end();
    });
    await using opened = await openAddress(`${source.origin}/0`, { maxRedirects: 3 });
    expect((await fetched(opened.inputUrl)).status).toBe(502);
    expect(source.paths()).toEqual(['/0', '/1', '/2', '/3']);
  });
});

describe('playlists', () => {
  const HEAD = '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n';

  it.each([
    ['a segment on an inner address', `${HEAD}#EXTINF:1,\nhttp://127.0.0.2:PORT/a.ts\n#EXT-X-ENDLIST\n`],
    ['a segment that is a file', `${HEAD}#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n`],
    ['a segment that is several files', `${HEAD}#EXTINF:1,\nconcat:file:///etc/passwd|x.ts\n#EXT-X-ENDLIST\n`],
    [
      'a key on an inner address',
      `${HEAD}#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.2:PORT/k"\n#EXTINF:1,\nplain0.ts\n`,
    ],
    ['an unquoted key', `${HEAD}#EXT-X-KEY:METHOD=AES-128,URI=http://127.0.0.2:PORT/k\n#EXTINF:1,\nplain0.ts\n`],
    ['an initialisation', `${HEAD}#EXT-X-MAP:URI="http://127.0.0.2:PORT/init.mp4"\n#EXTINF:1,\nplain0.ts\n`],
    ['a variant', '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.2:PORT/a.m3u8\n'],
    [
      'another sound track',
      '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="http://127.0.0.2:PORT/a.m3u8"\n' +
        '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nhttp://127.0.0.2:PORT/b.m3u8\n',
    ],
  ])('reach nothing through %s', async (_, playlist) => {
    await using canary = await httpSource((_, response) => response.end('secret'), { host: '127.0.0.2' });
    const files = folderOf(media.path);
    await using source = await httpSource((request, response) => {
      if (request.url !== '/bad.m3u8') return files(request, response);
      response.end(`${playlist.replaceAll('PORT', String(canary.port))}#EXT-X-ENDLIST\n`);
    });
    await using opened = await openAddress(`${source.origin}/bad.m3u8`);
    await readByFfmpeg(opened.inputUrl);
    expect(opened.refusal?.code).toBe('ADDRESS_REFUSED');
    expect(canary.requests).toEqual([]);
  });

  it('are known by what they say, whatever they are called', async () => {
    await using source = await httpSource((_, response) => {
      response.writeHead(200, { 'content-type': 'video/mp4' }).end(`\ufeff${HEAD}#EXTINF:1,\nhttp://127.0.0.2/a.ts\n`);
    });
    await using opened = await openAddress(`${source.origin}/film.mp4`);
    const { body, headers } = await fetched(opened.inputUrl);
    expect(headers['content-type']).toBe('application/vnd.apple.mpegurl');
    expect(body).not.toContain('127.0.0.2');
    expect(body).toMatch(/\n\/[\w-]{22}\/[\w-]+\/media\.ts\n/);
  });

  it.each([
    ['DASH', '<?xml version="1.0"?>\n<MPD><BaseURL>http://127.0.0.2/</BaseURL></MPD>'],
    ['SDP', 'v=0\r\no=- 0 0 IN IP4 127.0.0.2\r\n'],
    ['a list of files', 'ffconcat version 1.0\nfile /etc/passwd\n'],
  ])('of another kind are refused: %s', async (_, text) => {
    await using source = await httpSource((_, response) => response.end(text));
    await using opened = await openAddress(`${source.origin}/live`);
    expect(await fetched(opened.inputUrl)).toMatchObject({ status: 403, body: '' });
    expect(opened.refusal?.code).toBe('ADDRESS_REFUSED');
  });

  it('without an end are refused at their limit', async () => {
    await using source = await httpSource((_, response) => {
      response.write(HEAD);
      const more = (): void => {
        while (!response.destroyed && response.write(`${'a'.repeat(65_535)}\n`));
      };
      response.on('drain', more);
      more();
    });
    await using opened = await openAddress(`${source.origin}/live.m3u8`);
    expect((await fetched(opened.inputUrl)).status).toBe(403);
  });
});

describe('names', () => {
  it('stay where they were judged when their answer changes later', async () => {
    const answers = ['127.0.0.1', '127.0.0.2'];
    let asked = 0;
    await using source = await httpSource(folderOf(media.path));
    await using canary = await httpSource((_, response) => response.end('secret'), {
      host: '127.0.0.2',
      port: source.port,
    });
    await using opened = await openAddress(`http://rebinds.example:${source.port}/plain.m3u8`, {
      // Even if both were allowed: what was judged is what is connected to.
      allowedHosts: ['127.0.0.0/8'],
      resolve: async () => [answers[Math.min(asked++, 1)]!],
    });
    expect((await readByFfmpeg(opened.inputUrl)).frames).toBe(50);
    expect(asked).toBe(1);
    expect(canary.requests).toEqual([]);
    expect(source.requests[0]!.headers.host).toBe(`rebinds.example:${source.port}`);
  });

  it('are judged anew for another host in a playlist', async () => {
    const answers: Record<string, string> = { 'media.example': '127.0.0.1', 'segments.example': '127.0.0.2' };
    await using source = await httpSource((_, response) => {
      response.end(
        `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://segments.example:${source.port}/a.ts\n#EXT-X-ENDLIST\n`,
      );
    });
    await using canary = await httpSource((_, response) => response.end('secret'), {
      host: '127.0.0.2',
      port: source.port,
    });
    await using opened = await openAddress(`http://media.example:${source.port}/a.m3u8`, {
      resolve: async (name) => [answers[name]!],
    });
    await readByFfmpeg(opened.inputUrl);
    expect(opened.refusal?.message).toContain('segments.example');
    expect(canary.requests).toEqual([]);
  });
});

describe('headers', () => {
  /** Wants credentials like a camera; tells what it was asked with. */
  function guarded(challenge: string | undefined, answer: RequestListener): RequestListener {
    return (request, response) => {
      if (request.headers.authorization !== undefined) return answer(request, response);
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    };
  }

  it('carry the credentials to their own origin alone, once it asks for them', async () => {
    await using other = await httpSource(guarded('Basic realm="x"', (_, response) => response.end('x')));
    await using source = await httpSource(
      guarded('Basic realm="x"', (request, response) => {
        if (request.url === '/away') response.writeHead(302, { location: `${other.origin}/there` }).end();
        else response.end(`#EXTM3U\nown.ts\n${other.origin}/other.ts\n/away\n`);
      }),
    );
    await using opened = await openAddress(`http://us%40er:pa%3Ass@127.0.0.1:${source.port}/a.m3u8`);
    const { body } = await fetched(opened.inputUrl);
    for (const path of body.split('\n').filter((line) => line.startsWith('/'))) {
      expect(Buffer.from(path.split('/')[2]!, 'base64url').toString()).not.toContain('pa');
      await fetched(new URL(path, opened.inputUrl).href);
    }
    const expected = `Basic ${Buffer.from('us@er:pa:ss').toString('base64')}`;
    expect(source.requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/a.m3u8', undefined],
      ['/a.m3u8', expected],
      ['/own.ts', expected],
      ['/away', expected],
    ]);
    expect(other.requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/other.ts', undefined],
      ['/there', undefined],
    ]);
  });

  it('answer a camera that wants a digest, and count on with its nonce', async () => {
    const files = folderOf(media.path);
    await using source = await httpSource(guarded('Digest realm="cam", nonce="n1", qop="auth"', files));
    await using opened = await openAddress(`http://user:pass@127.0.0.1:${source.port}/plain.m3u8`);
    expect((await readByFfmpeg(opened.inputUrl)).frames).toBe(50);
    const used = source.requests.map(({ headers }) => headers.authorization ?? 'none');
    expect(used[0]).toBe('none');
    expect(used[1]).toMatch(
      /^Digest username="user", realm="cam", nonce="n1", uri="\/plain.m3u8", qop=auth, nc=00000001/,
    );
    expect(used[2]).toMatch(/uri="\/plain0.ts", qop=auth, nc=00000002/);
  });

  it('are not tried again when the source does not take them', async () => {
    await using source = await httpSource((_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    });
    await using opened = await openAddress(`http://user:wrong@127.0.0.1:${source.port}/a`);
    expect((await fetched(opened.inputUrl)).status).toBe(401);
    expect(source.requests.length).toBe(2);
  });

  it('pass on what ffmpeg needs and nothing else, both ways', async () => {
    await using source = await httpSource((_, response) => {
      response
        .writeHead(200, { 'content-type': 'video/mp2t', 'set-cookie': 'a=b', 'x-inner': '1', 'accept-ranges': 'bytes' })
        .end('G'.repeat(2000));
    });
    await using opened = await openAddress(`${source.origin}/a.ts`);
    const { headers } = await fetched(opened.inputUrl, { headers: { cookie: 'x=y', 'x-own': '1', range: 'bytes=0-' } });
    expect(Object.keys(headers).toSorted()).toEqual([
      ...['accept-ranges', 'connection', 'content-type', 'date', 'transfer-encoding'],
    ]);
    expect(Object.keys(source.requests[0]!.headers).toSorted()).toEqual([
      ...['accept', 'accept-encoding', 'connection', 'host'],
    ]);
  });
});

describe('the relay', () => {
  it('knows nobody without its token', async () => {
    await using source = await httpSource((_, response) => response.end('x'));
    await using opened = await openAddress(`${source.origin}/a`);
    const { origin, pathname } = new URL(opened.inputUrl);
    for (const path of ['/', '/x', `/${'A'.repeat(22)}/${pathname.split('/')[2]}/media`, '//', `/x${pathname}`]) {
      expect((await fetched(origin + path)).status).toBe(404);
    }
    expect((await fetched(opened.inputUrl, { method: 'HEAD' })).status).toBe(404);
    expect(source.requests).toEqual([]);
  });

  it('asks the source so many things at once and no more', async () => {
    const open: NodeJS.EventEmitter[] = [];
    await using source = await httpSource((_, response) => {
      open.push(response);
      response.write('G'.repeat(5000));
    });
    await using opened = await openAddress(`${source.origin}/a`);
    const heads = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const [response] = (await once(get(opened.inputUrl, { agent: false }), 'response')) as [IncomingMessage];
        response.on('error', () => {}).resume();
        return response.statusCode;
      }),
    );
    expect(heads.filter((status) => status === 200).length).toBe(32);
    expect(heads.filter((status) => status === 503).length).toBe(8);
    expect(open.length).toBe(32);
  });

  it('shows nothing of the address among the arguments of ffmpeg', async () => {
    await using opened = await openAddress('http://user:hunter2@127.0.0.1:8080/path?token=secret');
    expect(opened.inputUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{22}\/source\/media$/);
  });

  it.each([404, 401, 503])('tells ffmpeg that the source says %i', async (status) => {
    await using source = await httpSource((_, response) => response.writeHead(status).end('why'));
    await using opened = await openAddress(`${source.origin}/a`);
    expect(await fetched(opened.inputUrl)).toMatchObject({ status, body: '' });
  });

  it('says so when the source is not there, does not answer, or sends something compressed', async () => {
    const gone = await httpSource(() => {});
    await gone[Symbol.asyncDispose]();
    await using silent = await httpSource(() => {});
    await using zipped = await httpSource((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
    });
    for (const { origin } of [gone, silent, zipped]) {
      await using opened = await openAddress(`${origin}/a`, { answerTimeoutSeconds: 0.2 });
      expect((await fetched(opened.inputUrl)).status).toBe(502);
      expect(opened.refusal).toBeUndefined();
    }
  });

  it('breaks off when the source falls silent or breaks off in the middle', async () => {
    await using source = await httpSource((request, response) => {
      response.write('G'.repeat(5000), () => {
        if (request.url === '/breaks') response.destroy();
      });
    });
    for (const path of ['/silent', '/breaks']) {
      await using opened = await openAddress(source.origin + path, { idleTimeoutSeconds: 0.2 });
      const { status, body, complete } = await fetched(opened.inputUrl).catch(() => ({
        status: 0,
        body: '',
        complete: false,
      }));
      expect([0, 200]).toContain(status);
      expect(body.length).toBeLessThanOrEqual(5000);
      expect(complete).toBe(false);
    }
  });

  it('reads from the source no faster than ffmpeg reads from it', async () => {
    let written = 0;
    await using source = await httpSource((_, response) => {
      const block = Buffer.alloc(1 << 20, 'G');
      const more = (): void => {
        do written += block.length;
        while (response.write(block));
      };
      response.on('drain', more);
      more();
    });
    await using opened = await openAddress(`${source.origin}/endless.ts`, { idleTimeoutSeconds: 0.2 });
    const [response] = (await once(get(opened.inputUrl), 'response')) as [IncomingMessage];
    // The buffers of four sockets fill; then nothing moves, for longer than a silent source is borne.
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    expect(written).toBeLessThan(64 << 20);
    response.resume();
    while (written < before + (8 << 20)) await once(response, 'data');
    response.destroy();
  });

  it('leaves the source when ffmpeg leaves', async () => {
    await using source = await httpSource((_, response) => response.write('G'.repeat(5000)));
    await using opened = await openAddress(`${source.origin}/live.ts`);
    const arrived = once(source.server, 'request');
    const reading = request(opened.inputUrl)
      .on('error', () => {})
      .end();
    const [, response] = (await arrived) as [IncomingMessage, NodeJS.EventEmitter];
    const left = once(response, 'close');
    reading.destroy();
    await left;
  });
});

describe('the end of a relay', () => {
  it('breaks off what is under way on both sides and frees its port, also when asked twice', async () => {
    await using source = await httpSource((_, response) => response.write('G'.repeat(5000)));
    const opened = await openAddress(`${source.origin}/live.ts`);
    const reading = fetched(opened.inputUrl).then(
      ({ complete }) => complete,
      () => false,
    );
    const [, response] = (await once(source.server, 'request')) as [IncomingMessage, NodeJS.EventEmitter];
    const left = once(response, 'close');
    await Promise.all([opened[Symbol.asyncDispose](), opened[Symbol.asyncDispose]()]);
    await opened[Symbol.asyncDispose]();
    await left;
    expect(await reading).toBe(false);
    await expect(fetched(opened.inputUrl)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('comes while the source has not answered, or while a name is looked up', async () => {
    await using source = await httpSource(() => {});
    const opened = await openAddress(`${source.origin}/live.ts`);
    const reading = fetched(opened.inputUrl).catch(() => null);
    await once(source.server, 'request');
    await opened[Symbol.asyncDispose]();
    await reading;

    let ask = (): void => {};
    const asked = new Promise<void>((resolve) => (ask = resolve));
    const stuck = await openAddress(`${source.origin}/list`, {
      resolve: () => {
        ask();
        return new Promise(() => {});
      },
    });
    const { origin, pathname } = new URL(stuck.inputUrl);
    const elsewhere = Buffer.from('http://other.example/').toString('base64url');
    const waiting = fetched(`${origin}/${pathname.split('/')[1]}/${elsewhere}/media`).catch(() => null);
    await asked;
    await stuck[Symbol.asyncDispose]();
    await waiting;
  });

  it('leaves no handle behind', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name.includes('TCP')).length;
    await using source = await httpSource((_, response) => response.write('G'.repeat(5000)));
    for (let round = 0; round < 20; round += 1) {
      const opened = await openAddress(`${source.origin}/live.ts`);
      const arrived = once(source.server, 'request');
      const reading = fetched(opened.inputUrl).catch(() => null);
      const [, response] = (await arrived) as [IncomingMessage, NodeJS.EventEmitter];
      const left = once(response, 'close');
      await opened[Symbol.asyncDispose]();
      await Promise.all([reading, left]);
    }
    // The server of the test, and its connections that are just closing.
    await new Promise((resolve) => setImmediate(resolve));
    expect(process.getActiveResourcesInfo().filter((name) => name.includes('TCP')).length).toBeLessThanOrEqual(
      before + 4,
    );
  });
});
