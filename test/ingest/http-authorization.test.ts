import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerTo } from '../../src/ingest/http-authorization.ts';

/** The example of RFC 7616, section 3.9.1. */
const MUFASA = { user: 'Mufasa', password: 'Circle of Life' };
const NONCE = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v';
const CLIENT_NONCE = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
const OPAQUE = 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS';

function challenge(algorithm: string): string {
  return `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${NONCE}", opaque="${OPAQUE}"`;
}

function answer(header: string): string | undefined {
  return answerTo(header, MUFASA, () => CLIENT_NONCE)?.('GET', '/dir/index.html');
}

describe('a digest', () => {
  it.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('by %s is that of the standard’s example', (algorithm, response) => {
    expect(answer(challenge(algorithm))).toBe(
      `Digest username="Mufasa", realm="http-auth@example.org", nonce="${NONCE}", uri="/dir/index.html", ` +
        `algorithm=${algorithm}, opaque="${OPAQUE}", qop=auth, nc=00000001, cnonce="${CLIENT_NONCE}", response="${response}"`,
    );
  });

  it('takes the better of two, and either before the plain password', () => {
    expect(answer(`${challenge('MD5')}, ${challenge('SHA-256')}`)).toContain('algorithm=SHA-256');
    expect(answer(`Basic realm="a, Digest b", ${challenge('MD5')}`)).toContain('algorithm=MD5');
  });

  it('of the old kind has no counters', () => {
    const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
    const response = md5(`${md5('Mufasa:cam:Circle of Life')}:n:${md5('GET:/dir/index.html')}`);
    expect(answer('digest realm="cam",nonce=n')).toBe(
      `Digest username="Mufasa", realm="cam", nonce="n", uri="/dir/index.html", response="${response}"`,
    );
  });

  it('counts how often a nonce was used, with new randomness each time', () => {
    const authorize = answerTo(challenge('MD5'), MUFASA)!;
    const [first, second] = [authorize('GET', '/a'), authorize('GET', '/a')];
    expect(first).toContain('nc=00000001');
    expect(second).toContain('nc=00000002');
    expect(/cnonce="(.*?)"/.exec(first)![1]).not.toBe(/cnonce="(.*?)"/.exec(second)![1]);
  });

  it('hashes letters beyond ASCII by their bytes, and repeats the realm as it came', () => {
    const realm = Buffer.from('Caméra "1"').toString('latin1');
    const header = `Digest realm="${realm.replaceAll('"', '\\"')}", nonce="n"`;
    const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
    const response = md5(`${md5('Jürgen:Caméra "1":grün')}:n:${md5('GET:/')}`);
    const given = answerTo(header, { user: 'Jürgen', password: 'grün' })!('GET', '/');
    expect(given).toContain(`response="${response}"`);
    expect(Buffer.from(given, 'latin1').toString()).toContain('username="Jürgen", realm="Caméra \\"1\\""');
  });
});

describe('other demands', () => {
  it('for the plain password are answered when nothing else is asked for', () => {
    expect(answer('Basic realm="a"')).toBe(`Basic ${Buffer.from('Mufasa:Circle of Life').toString('base64')}`);
    expect(answer('Negotiate, Basic')).toMatch(/^Basic /);
  });

  it.each([
    '',
    'Negotiate',
    'Bearer realm="a"',
    'Digest realm="a", nonce="n", algorithm=MD4',
    'Digest realm="a", nonce="n", qop="auth-int"',
  ])('are not answered: %j', (header) => {
    expect(answerTo(header, MUFASA)).toBeNull();
  });

  it('end quickly and without an error, whatever they are, and give a header that can be sent', () => {
    const piece = fc.constantFrom(
      'Digest ',
      'Basic',
      ' realm="',
      'nonce=n',
      '"',
      '\\',
      ',',
      '=',
      ' ',
      'qop="auth"',
      'algorithm=MD5',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const given = answerTo(pieces.join(''), MUFASA)?.('GET', '/');
        expect(given ?? 'Basic x').toMatch(/^(Basic|Digest) [\x20-\x7e]+$/);
      }),
      { numRuns: 3000 },
    );
  });
});
