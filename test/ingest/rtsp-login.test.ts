import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { RtspLogin } from '../../src/ingest/rtsp-login.ts';
import { type RtspMessage, valuesOf } from '../../src/ingest/rtsp-messages.ts';

const URI = 'rtsp://127.0.0.1:5/live';
const CREDENTIALS = { user: 'Mufasa', password: 'Circle of Life' };

function message(firstLine: string, headers: Readonly<Record<string, string>> = {}): RtspMessage {
  const list = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return { firstLine, headers: list, body: Buffer.alloc(0) };
}

function request(method: string, sequence: number): RtspMessage {
  return message(`${method} ${URI} RTSP/1.0`, { CSeq: String(sequence), 'User-Agent': 'a player' });
}

function answer(status: number, sequence: number, challenge?: string): RtspMessage {
  const demand = challenge === undefined ? {} : { 'WWW-Authenticate': challenge };
  return message(`RTSP/1.0 ${status} Whatever`, { cseq: String(sequence), ...demand });
}

function header(next: RtspMessage, name: string): string | undefined {
  return valuesOf(next, name)[0];
}

function sent(next: ReturnType<RtspLogin['incoming']>): RtspMessage {
  if (!('send' in next)) throw new Error('Nothing was sent.');
  return next.send;
}

function passed(next: ReturnType<RtspLogin['incoming']>): RtspMessage {
  if (!('pass' in next)) throw new Error('Nothing was passed.');
  return next.pass;
}

describe('a login over RTSP', () => {
  it('is given when it is asked for, once more with the request, and with every one after it', () => {
    const login = new RtspLogin(CREDENTIALS);
    const first = login.outgoing(request('OPTIONS', 1));
    expect(first).toEqual(request('OPTIONS', 1));
    const again = sent(login.incoming(answer(401, 1, 'Basic realm="a"')));
    expect(again.firstLine).toBe(`OPTIONS ${URI} RTSP/1.0`);
    const basic = `Basic ${Buffer.from('Mufasa:Circle of Life').toString('base64')}`;
    expect([header(again, 'cseq'), header(again, 'authorization')]).toEqual(['2', basic]);
    expect(header(passed(login.incoming(answer(200, 2))), 'cseq')).toBe('1');
    const next = login.outgoing(request('DESCRIBE', 2));
    expect([header(next, 'cseq'), header(next, 'authorization')]).toEqual(['3', basic]);
    expect(header(passed(login.incoming(answer(200, 3))), 'cseq')).toBe('2');
  });

  it.each([
    ['MD5', 'md5'],
    ['SHA-256', 'sha256'],
  ])('by a digest with %s is over the method and the address of the request', (algorithm, hash) => {
    const hashed = (text: string): string => createHash(hash).update(text).digest('hex');
    const login = new RtspLogin(CREDENTIALS);
    login.outgoing(request('DESCRIBE', 7));
    const demand = `Digest realm="cam", nonce="n", algorithm=${algorithm}`;
    const given = header(sent(login.incoming(answer(401, 1, demand))), 'authorization');
    const response = hashed(`${hashed('Mufasa:cam:Circle of Life')}:n:${hashed(`DESCRIBE:${URI}`)}`);
    expect(given).toBe(
      `Digest username="Mufasa", realm="cam", nonce="n", uri="${URI}", algorithm=${algorithm}, response="${response}"`,
    );
  });

  it('takes a new nonce when the old one has gone stale', () => {
    const login = new RtspLogin(CREDENTIALS);
    login.outgoing(request('PLAY', 1));
    sent(login.incoming(answer(401, 1, 'Digest realm="cam", nonce="old"')));
    passed(login.incoming(answer(200, 2)));
    expect(header(login.outgoing(request('GET_PARAMETER', 2)), 'authorization')).toContain('nonce="old"');
    const again = sent(login.incoming(answer(401, 3, 'Digest realm="cam", nonce="new", stale=true')));
    expect(header(again, 'authorization')).toContain('nonce="new"');
  });

  it('is not tried again when it was refused, so the player hears of it', () => {
    const login = new RtspLogin(CREDENTIALS);
    login.outgoing(request('DESCRIBE', 4));
    sent(login.incoming(answer(401, 1, 'Basic realm="a"')));
    const refusal = passed(login.incoming(answer(401, 2, 'Basic realm="a"')));
    expect([refusal.firstLine, header(refusal, 'cseq')]).toEqual(['RTSP/1.0 401 Whatever', '4']);
  });

  it.each([
    ['of a kind that is not known', 'Negotiate abc'],
    ['without a demand', undefined],
  ])('is not given %s', (_, challenge) => {
    const login = new RtspLogin(CREDENTIALS);
    login.outgoing(request('DESCRIBE', 1));
    expect(passed(login.incoming(answer(401, 1, challenge))).firstLine).toContain('401');
  });

  it('is not given to what nobody asked for, and leaves the talk of the other way alone', () => {
    const login = new RtspLogin(CREDENTIALS);
    const unasked = answer(401, 9, 'Basic realm="a"');
    expect(passed(login.incoming(unasked))).toEqual(unasked);
    const ofServer = request('SET_PARAMETER', 5);
    expect(passed(login.incoming(ofServer))).toEqual(ofServer);
    const toServer = answer(200, 5);
    expect(login.outgoing(toServer)).toEqual(toServer);
  });

  it('forgets requests that are never answered', () => {
    const login = new RtspLogin(CREDENTIALS);
    for (let sequence = 1; sequence <= 17; sequence += 1) login.outgoing(request('GET_PARAMETER', sequence));
    expect(passed(login.incoming(answer(401, 1, 'Basic realm="a"'))).firstLine).toContain('401');
    expect(sent(login.incoming(answer(401, 2, 'Basic realm="a"'))).firstLine).toContain('GET_PARAMETER');
  });
});
