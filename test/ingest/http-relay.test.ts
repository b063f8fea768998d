import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetched, folderOf, httpSource, openAddress, readByFfmpeg } from './fixtures/http-source.ts';
import { type MediaFolder, mediaFolder, pattern } from './fixtures/media.ts';

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

/** An ID3v2 tag with so many bytes of nothing. */
function id3(bytes: number, flags = 0): Buffer {
  const size = [21, 14, 7, 0].map((shift) => (bytes >> shift) & 0x7f);
  const footer = flags === 0 ? 0 : 10;
  return Buffer.concat([Buffer.from('ID3'), Buffer.from([3, 0, flags, ...size]), Buffer.alloc(bytes + footer)]);
}

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

  it.each([
    ['an empty tag', id3(0)],
    ['a long tag', id3(70_000)],
    ['two tags, one with a footer', Buffer.concat([id3(200, 0x10), id3(5)])],
  ])('behind what ffmpeg steps over are refused: %s', async (_, tags) => {
    await using canary = await httpSource((_, response) => response.end());
    const inner = `${HEAD}#EXTINF:1,\n${canary.origin.replace('127.0.0.1', '127.0.0.2')}/a.ts\n#EXT-X-ENDLIST\n`;
    await using source = await httpSource((_, response) => response.end(Buffer.concat([tags, Buffer.from(inner)])));
    await using opened = await openAddress(`${source.origin}/live`);
    expect(await fetched(opened.inputUrl)).toMatchObject({ status: 403, body: '' });
    await readByFfmpeg(opened.inputUrl);
    expect(opened.refusal?.code).toBe('ADDRESS_REFUSED');
    expect(canary.requests).toEqual([]);
  });

  it('pass a tag before what is no playlist, unless it is too long', async () => {
    const body = Buffer.concat([id3(5000), randomBytes(3000)]);
    await using source = await httpSource((_, response) => response.end(body));
    await using opened = await openAddress(`${source.origin}/sound.aac`);
    expect(await fetched(opened.inputUrl)).toMatchObject({ status: 200, body: body.toString('latin1') });
    await using endless = await httpSource((_, response) => response.end(id3(400_000)));
    await using refusedOne = await openAddress(`${endless.origin}/sound.aac`);
    expect((await fetched(refusedOne.inputUrl)).status).toBe(403);
  });

  it('are no way past the relay for what takes it for its proxy', async () => {
    await using source = await httpSource((_, response) => response.end('G'.repeat(4000)));
    await using opened = await openAddress(`${source.origin}/video`);
    const { port } = new URL(opened.inputUrl);
    expect((await fetched(opened.inputUrl, { path: opened.inputUrl })).status).toBe(200);
    for (const past of [`${source.origin}/video`, 'http://127.0.0.2/a.ts', `${opened.inputUrl}x`.replace(port, '1')]) {
      expect((await fetched(opened.inputUrl, { path: past })).status).toBe(404);
    }
    expect(source.requests).toHaveLength(1);
  });

  it('are fetched whole, since a part would not be known for one', async () => {
    await using source = await httpSource(folderOf(media.path));
    await using opened = await openAddress(`${source.origin}/master.m3u8`);
    const { body } = await fetched(opened.inputUrl);
    const variant = new URL(/^\/.*$/m.exec(body)![0], opened.inputUrl).href;
    const part = await fetched(variant, { headers: { range: 'bytes=100-' } });
    expect(part).toMatchObject({ status: 200, body: expect.stringMatching(/^#EXTM3U/) });
    expect(source.requests.at(-1)!.headers.range).toBeUndefined();
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
