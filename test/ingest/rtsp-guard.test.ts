import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { guarded as judged } from '../../src/ingest/rtsp-guard.ts';
import { RtspMessages } from '../../src/ingest/rtsp-messages.ts';

async function guarded(...chunks: readonly (string | Buffer)[]): Promise<string> {
  const options = {
    serverIp: '93.184.216.34',
    async redirect(location: string) {
      if (location.includes('inner')) throw new AppError('ADDRESS_REFUSED', 'no');
      return `relayed:${location}`;
    },
  };
  const guard = new RtspMessages((message) => judged(message, options));
  const passed: Buffer[] = [];
  guard.on('data', (chunk: Buffer) => passed.push(chunk));
  const ended = once(guard, 'end');
  for (const chunk of chunks) guard.write(typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk);
  guard.end();
  await ended;
  return Buffer.concat(passed).toString('latin1');
}

const OK = 'RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n';
const BODY = 'v=0\r\nm=video 0 RTP/AVP 96\r\n';
const DESCRIBED = `RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
const PACKET = `$\0\0\x05\r\n\r\nx`;

describe('what passes', () => {
  it.each([
    ['an answer', OK],
    ['an answer with a body', DESCRIBED],
    ['a media packet, even one that looks like text', PACKET],
    ['a request of the server', 'SET_PARAMETER rtsp://a/ RTSP/1.0\r\nCSeq: 3\r\n\r\n'],
    ['one after the other', `${OK}${PACKET}${PACKET}${DESCRIBED}${OK}${PACKET}`],
    [
      'a demand for credentials',
      'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="a:b", nonce="c"\r\n\r\n',
    ],
  ])('%s', async (_, text) => {
    expect(await guarded(text)).toBe(text);
  });

  it('is the same however it is cut', async () => {
    const text = `${OK}${PACKET}${DESCRIBED}${PACKET}`;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 12 }), async (cuts) => {
        const places = [0, ...cuts.toSorted((left, right) => left - right), text.length];
        const chunks = places.slice(1).map((end, index) => text.slice(places[index], end));
        expect(await guarded(...chunks.filter((chunk) => chunk !== ''))).toBe(text);
      }),
    );
  });

  it('has one spelling of line ends, and no empty lines before it', async () => {
    expect(await guarded('\r\n\nRTSP/1.0 200 OK\nCSeq:1\n\n')).toBe('RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n');
  });

  it('waits for what is not complete, and drops it at the end', async () => {
    for (const part of [OK.slice(0, -2), DESCRIBED.slice(0, -1), PACKET.slice(0, -1), '$\0']) {
      expect(await guarded(part)).toBe('');
    }
  });
});

describe('what is changed', () => {
  it('is where a redirect leads', async () => {
    expect(await guarded('RTSP/1.0 302 Found\r\nCSeq: 2\r\nLOCATION: rtsp://a/b\r\n\r\n')).toBe(
      'RTSP/1.0 302 Found\r\nCSeq: 2\r\nLOCATION: relayed:rtsp://a/b\r\n\r\n',
    );
    expect(await guarded('RTSP/1.0 200 OK\r\nLocation: rtsp://a/b\r\n\r\n')).toBe('RTSP/1.0 200 OK\r\n\r\n');
  });

  it.each([
    ['RTP/AVP/TCP;unicast;interleaved=0-1', 'RTP/AVP/TCP;unicast;interleaved=0-1'],
    ['RTP/AVP;unicast;server_port=6000-6001;source=10.0.0.1', 'RTP/AVP;unicast;server_port=6000-6001'],
    ['RTP/AVP;unicast; SOURCE = 10.0.0.1;destination=10.0.0.2;ssrc=1', 'RTP/AVP;unicast;ssrc=1'],
    ['RTP/AVP;source=10.0.0.1;source=10.0.0.2', 'RTP/AVP'],
  ])('is whose address media come from: %s', async (transport, expected) => {
    expect(await guarded(`RTSP/1.0 200 OK\r\nTransport: ${transport}\r\n\r\n`)).toBe(
      `RTSP/1.0 200 OK\r\nTransport: ${expected};source=93.184.216.34\r\n\r\n`,
    );
  });
});

describe('what ends the connection', () => {
  it.each([
    ['a redirect that is refused', 'RTSP/1.0 301 Moved\r\nLocation: rtsp://inner/\r\n\r\n', 'ADDRESS_REFUSED'],
    ['a redirect to nowhere', 'RTSP/1.0 301 Moved\r\n\r\n', 'SOURCE_UNREACHABLE'],
    ['multicast', 'RTSP/1.0 200 OK\r\nTransport: RTP/AVP;Multicast;destination=10.0.0.1\r\n\r\n', 'ADDRESS_REFUSED'],
    ['another protocol', 'HTTP/1.1 200 OK\r\n\r\n', 'SOURCE_UNREACHABLE'],
    ['a status that is no number', 'RTSP/1.0 +302 Found\r\n\r\n', 'SOURCE_UNREACHABLE'],
    ['a header that ffmpeg takes for a packet', 'RTSP/1.0 200 OK\r\n$\0\0\x01x\r\n\r\n', 'SOURCE_UNREACHABLE'],
    ['a folded header', 'RTSP/1.0 200 OK\r\nA: b\r\n c\r\n\r\n', 'SOURCE_UNREACHABLE'],
    ['two lengths', 'RTSP/1.0 200 OK\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\nab', 'SOURCE_UNREACHABLE'],
    ['a length that is no number', 'RTSP/1.0 200 OK\r\nContent-Length: 1x\r\n\r\nab', 'SOURCE_UNREACHABLE'],
    ['a length without bound', 'RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n', 'SOURCE_UNREACHABLE'],
    ['headers without end', `RTSP/1.0 200 OK\r\n${'A: b\r\n'.repeat(20_000)}`, 'SOURCE_UNREACHABLE'],
  ])('is %s', async (_, text, code) => {
    await expect(guarded(text)).rejects.toMatchObject({ code });
  });

  it('is never a hang or another error, whatever comes', async () => {
    const piece = fc.constantFrom(
      'RTSP/1.0 200 OK',
      '\r\n',
      '\n',
      '$',
      '\0\0\x02',
      'Content-Length: 2',
      'Location: x',
      ': ',
      'a',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(piece, fc.string()), { maxLength: 12 }), async (pieces) => {
        await guarded(pieces.join('')).catch((thrown: unknown) => {
          expect(['SOURCE_UNREACHABLE', 'ADDRESS_REFUSED']).toContain((thrown as AppError).code);
        });
      }),
      { numRuns: 1000 },
    );
  });
});
