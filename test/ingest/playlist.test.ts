import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lengthsOf, rewritePlaylist } from '../../src/ingest/playlist.ts';

const relayed = (uri: string): string => `/relay/${encodeURIComponent(uri)}`;

describe('a playlist', () => {
  it('keeps what plays it and has every address replaced', () => {
    const text = [
      '#EXTM3U',
      '#EXT-X-VERSION:7',
      '#EXT-X-TARGETDURATION:4',
      '#EXT-X-MEDIA-SEQUENCE:17',
      '#EXT-X-MAP:URI="init.mp4",BYTERANGE="805@0"',
      '#EXT-X-KEY:METHOD=AES-128,URI="https://keys.example/k?a=b,c",IV=0x0123',
      '#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z',
      '#EXTINF:3.9,a title',
      '#EXT-X-BYTERANGE:4164@805',
      'one.m4s?x=1',
      '#EXT-X-DISCONTINUITY',
      '#EXTINF:3.9,',
      'http://media.example/two.m4s',
      '#EXT-X-ENDLIST',
    ].join('\r\n');
    expect(rewritePlaylist(text, relayed).split('\n')).toEqual([
      '#EXTM3U',
      '#EXT-X-VERSION:7',
      '#EXT-X-TARGETDURATION:4',
      '#EXT-X-MEDIA-SEQUENCE:17',
      '#EXT-X-MAP:URI="/relay/init.mp4",BYTERANGE="805@0"',
      '#EXT-X-KEY:METHOD=AES-128,URI="/relay/https%3A%2F%2Fkeys.example%2Fk%3Fa%3Db%2Cc",IV=0x0123',
      '#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z',
      '#EXTINF:3.9,a title',
      '#EXT-X-BYTERANGE:4164@805',
      '/relay/one.m4s%3Fx%3D1',
      '#EXT-X-DISCONTINUITY',
      '#EXTINF:3.9,',
      '/relay/http%3A%2F%2Fmedia.example%2Ftwo.m4s',
      '#EXT-X-ENDLIST',
      '',
    ]);
  });

  it.each([
    [
      '#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="a,b",RESOLUTION=64x48',
      '#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="a,b",RESOLUTION=64x48',
    ],
    ['#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"', '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="/relay/i.m3u8"'],
    ['#EXT-X-MEDIA:TYPE=AUDIO,URI="a.m3u8",NAME="n"', '#EXT-X-MEDIA:TYPE=AUDIO,URI="/relay/a.m3u8",NAME="n"'],
    ['#EXT-X-KEY:METHOD=NONE', '#EXT-X-KEY:METHOD=NONE'],
    ['#EXT-X-KEY:METHOD=AES-128,URI=k', '#EXT-X-KEY:METHOD=AES-128,URI="/relay/k"'],
    ['#EXT-X-KEY:METHOD=AES-128, URI="k"', '#EXT-X-KEY:METHOD=AES-128,URI="/relay/k"'],
    ['#EXT-X-KEY:METHOD=AES-128,URI="k', '#EXT-X-KEY:METHOD=AES-128'],
    ['#EXT-X-KEY:URI="a\\"b"', '#EXT-X-KEY:'],
  ])('has %s as %s', (line, expected) => {
    expect(rewritePlaylist(line, relayed)).toBe(`${expected}\n`);
  });

  it.each([
    '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="x"',
    '#EXT-X-DATERANGE:ID="a",X-ASSET-URI="x"',
    '#EXT-X-CONTENT-STEERING:SERVER-URI="x"',
    '#EXT-X-UNHEARD-OF:URI="x"',
    '# a comment with http://inner/',
    '#ext-x-key:URI="x"',
  ])('loses what nobody here understands: %s', (line) => {
    expect(rewritePlaylist(line, relayed)).toBe('\n');
  });

  it('takes what hides behind a zero byte or a lone carriage return for a line', () => {
    expect(rewritePlaylist('#EXTINF:1,\0http://inner/a\rhttp://inner/b', () => 'R')).toBe('#EXTINF:1,\nR\nR\n');
  });

  it('points nowhere but to the relay, however generously it is read', () => {
    const piece = fc.constantFrom(
      ...[
        '#EXTM3U',
        '#EXT-X-KEY:',
        '#EXT-X-MAP:',
        '#EXT-X-MEDIA:',
        '#EXTINF:',
        'METHOD=AES-128',
        'URI=',
        'XURI=',
        'NAME=',
      ],
      ...['"', '\\', ',', ' ', '\t', '\n', '\r', '\0', '=', '#', ':', 'http://inner/', 'file:///etc/passwd', '\ufeff'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const rewritten = rewritePlaylist(pieces.join(''), () => 'R');
        for (const line of rewritten.split(/[\r\n\0]/)) {
          if (line !== '' && !line.startsWith('#')) expect(line).toBe('R');
          const uris = generousAttributes(line).filter(([key]) => key === 'URI');
          for (const [, value] of uris) expect(value).toBe('R');
        }
      }),
      { numRuns: 5000 },
    );
  });
});

it.each([
  ['#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXTINF:12,\na.ts\n', { targetSeconds: 12, hasEnded: false }],
  ['#EXTM3U\n#EXT-X-TARGETDURATION:6.5\r\n#EXTINF:6,\na.ts\n#EXT-X-ENDLIST', { targetSeconds: 6, hasEnded: true }],
  ['#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n', { targetSeconds: 0, hasEnded: false }],
  ['#EXTM3U\n# The #EXT-X-ENDLIST is still to come.\na.ts\n', { targetSeconds: 0, hasEnded: false }],
])('the lengths that a playlist tells: %j', (text, lengths) => {
  expect(lengthsOf(rewritePlaylist(text, relayed))).toEqual(lengths);
});

/** Key and value pairs as ffmpeg reads them: quotes with escapes, values without quotes, spaces anywhere between. */
function generousAttributes(line: string): [key: string, value: string][] {
  const [tag, list] = /^#EXT-X-(?:KEY|MAP|MEDIA|STREAM-INF):(.*)$/.exec(line) ?? [];
  if (tag === undefined) return [];
  const pairs: [string, string][] = [];
  let rest = list!;
  for (;;) {
    rest = rest.replace(/^[\s,]+/, '');
    const equals = rest.indexOf('=');
    if (equals < 0) return pairs;
    const key = rest.slice(0, equals);
    rest = rest.slice(equals + 1);
    const value = rest.startsWith('"') ? /^"((?:\\.|[^"\\])*)/.exec(rest)![0] : /^[^\s,]*/.exec(rest)![0];
    pairs.push([key, value.replace(/^"/, '').replaceAll(/\\(.)/g, '$1')]);
    rest = rest.slice(value.length).replace(/^"/, '');
  }
}
