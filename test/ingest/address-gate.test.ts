import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AddressGateOptions, createAddressGate, DefiniteError } from '../../src/ingest/index.ts';
import { codeOf } from './fixtures/media.ts';

const signal = new AbortController().signal;
const LONG = `http://media.example/${'a'.repeat(2028)}`;

/** What a public resolver would say; the gate's verdict must not depend on the network of the machine. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'media.example': ['93.184.216.34'],
  'six.example': ['2606:2800:220:1:248:1893:25c8:1946'],
  'both.example': ['2606:2800:220:1:248:1893:25c8:1946', '93.184.216.34'],
  'xn--mnchen-3ya.example': ['93.184.216.34'],
  localhost: ['127.0.0.1', '::1'],
  'localtest.example': ['127.0.0.1'],
  'inside.example': ['10.1.2.3'],
  'half.example': ['93.184.216.34', '192.168.1.9'],
  'mapped.example': ['::ffff:10.0.0.1'],
  'nat64.example': ['64:ff9b::a00:1'],
  'zoned.example': ['93.184.216.34', 'fe80::1%eth0'],
  'metadata.google.internal': ['169.254.169.254'],
  'cam.lan': ['192.168.1.20'],
  'empty.example': [],
};

function gate(options: AddressGateOptions = {}) {
  return createAddressGate({
    resolve: async (name) => NAMES[name] ?? Promise.reject(new Error(`ENOTFOUND ${name}`)),
    ...options,
  });
}

/** OPEN, or the code that `open` fails with. */
async function verdict(address: string, options?: AddressGateOptions): Promise<unknown> {
  const opening = gate(options).open(address, { signal });
  const opened = await opening.catch(() => null);
  if (opened === null) return codeOf(opening);
  await opened[Symbol.asyncDispose]();
  return 'OPEN';
}

const VERDICTS: readonly (readonly [address: string, verdict: string, reason: string])[] = [
  // What is opened.
  ['rtsp://media.example/live', 'OPEN', 'a public name'],
  ['RTSP://Media.Example:8554/live', 'OPEN', 'case does not matter'],
  ['rtsp://user:pa%40ss@media.example/live', 'OPEN', 'credentials'],
  ['rtsps://media.example/live', 'OPEN', 'TLS'],
  ['rtmp://media.example/app/stream', 'OPEN', 'RTMP'],
  ['rtmps://media.example/app/stream', 'OPEN', 'RTMP over TLS'],
  ['srt://media.example:9000?streamid=a&latency=200000', 'OPEN', 'SRT as a caller'],
  ['http://media.example/cam.mjpg', 'OPEN', 'HTTP'],
  ['https://media.example/live/index.m3u8?token=abc', 'OPEN', 'HTTPS with a query'],
  ['http://media.example:8080/', 'OPEN', 'a port that media servers use'],
  ['http://93.184.216.34/', 'OPEN', 'a public IPv4 address'],
  ['http://[2606:2800:220:1:248:1893:25c8:1946]/', 'OPEN', 'a public IPv6 address'],
  ['http://six.example/', 'OPEN', 'a name with IPv6 alone'],
  ['http://both.example/', 'OPEN', 'a name with both'],
  ['http://xn--mnchen-3ya.example/', 'OPEN', 'an international name in its ASCII form'],
  ['http://media.example/a@b', 'OPEN', 'an @ in the path is no user name'],
  // Addresses of the inside.
  ['http://127.0.0.1/', 'ADDRESS_REFUSED', 'loopback'],
  ['http://127.8.9.10/', 'ADDRESS_REFUSED', 'all of 127/8 is loopback'],
  ['http://[::1]/', 'ADDRESS_REFUSED', 'loopback'],
  ['http://[0:0:0:0:0:0:0:1]/', 'ADDRESS_REFUSED', 'loopback, written long'],
  ['http://localhost:8080/', 'ADDRESS_REFUSED', 'a name of loopback'],
  ['http://localtest.example/', 'ADDRESS_REFUSED', 'a public name that leads to loopback'],
  ['rtsp://10.0.0.1/', 'ADDRESS_REFUSED', 'private'],
  ['rtsp://172.16.0.1/', 'ADDRESS_REFUSED', 'private'],
  ['rtsp://172.31.255.255/', 'ADDRESS_REFUSED', 'private, the last one'],
  ['rtsp://192.168.1.1/', 'ADDRESS_REFUSED', 'private'],
  ['rtsp://inside.example/', 'ADDRESS_REFUSED', 'a name that leads to a private address'],
  ['rtsp://half.example/', 'ADDRESS_REFUSED', 'one private address among public ones'],
  ['http://100.64.0.1/', 'ADDRESS_REFUSED', 'carrier-grade NAT'],
  ['http://169.254.1.1/', 'ADDRESS_REFUSED', 'link-local'],
  ['http://169.254.169.254/latest/meta-data/', 'ADDRESS_REFUSED', 'metadata'],
  ['http://metadata.google.internal/', 'ADDRESS_REFUSED', 'metadata by name'],
  ['http://168.63.129.16/', 'ADDRESS_REFUSED', 'metadata in a public range'],
  ['http://[fd00:ec2::254]/', 'ADDRESS_REFUSED', 'metadata over IPv6'],
  ['http://[fd12:3456::1]/', 'ADDRESS_REFUSED', 'unique local'],
  ['http://[fe80::1]/', 'ADDRESS_REFUSED', 'link-local'],
  ['http://zoned.example/', 'ADDRESS_REFUSED', 'a name that leads to link-local besides'],
  ['http://0.0.0.0/', 'ADDRESS_REFUSED', 'unspecified, which is this machine'],
  ['http://0.1.2.3/', 'ADDRESS_REFUSED', 'this network'],
  ['http://[::]/', 'ADDRESS_REFUSED', 'unspecified'],
  ['rtsp://224.0.0.1/', 'ADDRESS_REFUSED', 'multicast'],
  ['rtsp://[ff02::1]/', 'ADDRESS_REFUSED', 'multicast'],
  ['http://240.0.0.1/', 'ADDRESS_REFUSED', 'reserved'],
  ['http://255.255.255.255/', 'ADDRESS_REFUSED', 'broadcast'],
  ['http://192.0.2.1/', 'ADDRESS_REFUSED', 'documentation'],
  ['http://198.51.100.1/', 'ADDRESS_REFUSED', 'documentation'],
  ['http://203.0.113.1/', 'ADDRESS_REFUSED', 'documentation'],
  ['http://[2001:db8::1]/', 'ADDRESS_REFUSED', 'documentation'],
  ['http://[3fff::1]/', 'ADDRESS_REFUSED', 'documentation'],
  ['http://198.18.0.1/', 'ADDRESS_REFUSED', 'benchmarks'],
  ['http://[fec0::1]/', 'ADDRESS_REFUSED', 'site-local of old'],
  ['http://[4000::1]/', 'ADDRESS_REFUSED', 'handed out to nobody'],
  // IPv4 inside IPv6.
  ['http://[::ffff:127.0.0.1]/', 'ADDRESS_REFUSED', 'IPv4-mapped'],
  ['http://[::ffff:7f00:1]/', 'ADDRESS_REFUSED', 'IPv4-mapped, in hexadecimal'],
  ['http://[::ffff:8.8.8.8]/', 'ADDRESS_REFUSED', 'IPv4-mapped, though public'],
  ['http://[::127.0.0.1]/', 'ADDRESS_REFUSED', 'IPv4-compatible'],
  ['http://[64:ff9b::10.0.0.1]/', 'ADDRESS_REFUSED', 'NAT64'],
  ['http://[64:ff9b:1::a00:1]/', 'ADDRESS_REFUSED', 'NAT64 of a network of its own'],
  ['http://[2002:7f00:1::]/', 'ADDRESS_REFUSED', '6to4'],
  ['http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/', 'ADDRESS_REFUSED', 'Teredo'],
  ['http://mapped.example/', 'ADDRESS_REFUSED', 'a name that leads to a mapped address'],
  ['http://nat64.example/', 'ADDRESS_REFUSED', 'a name that leads to NAT64'],
  // Spellings of IPv4 that some resolver knows.
  ['http://2130706433/', 'ADDRESS_REFUSED', 'decimal'],
  ['http://0x7f000001/', 'ADDRESS_REFUSED', 'hexadecimal'],
  ['http://0X7F.0.0.1/', 'ADDRESS_REFUSED', 'hexadecimal part'],
  ['http://0177.0.0.1/', 'ADDRESS_REFUSED', 'octal part'],
  ['http://017700000001/', 'ADDRESS_REFUSED', 'octal'],
  ['http://127.1/', 'ADDRESS_REFUSED', 'short'],
  ['http://10.65535/', 'ADDRESS_REFUSED', 'short'],
  ['http://127.0.0.01/', 'ADDRESS_REFUSED', 'leading zero'],
  ['http://127.0.0.0x/', 'ADDRESS_REFUSED', 'an empty hexadecimal number'],
  ['http://256.256.256.256/', 'ADDRESS_REFUSED', 'no address, but a number'],
  ['http://media.example.1/', 'BAD_INPUT', 'a name that ends in a number'],
  ['http://127.0.0.1./', 'ADDRESS_REFUSED', 'a dot at the end'],
  ['http://media.example./', 'BAD_INPUT', 'a dot at the end'],
  ['http://１２７.0.0.1/', 'BAD_INPUT', 'full-width digits'],
  ['http://127。0。0。1/', 'BAD_INPUT', 'ideographic full stops'],
  ['http://①②⑦.0.0.1/', 'BAD_INPUT', 'circled digits'],
  ['http://lоcalhost/', 'BAD_INPUT', 'a Cyrillic letter'],
  ['http://%31%32%37.0.0.1/', 'BAD_INPUT', 'percent-encoded'],
  ['http://127.0.0.1%2f@media.example/', 'OPEN', 'a user name that looks like a host: it goes to the host'],
  ['http://[fe80::1%25eth0]/', 'BAD_INPUT', 'a zone'],
  ['http://[127.0.0.1]/', 'BAD_INPUT', 'IPv4 in brackets'],
  ['http://[::1/', 'BAD_INPUT', 'an open bracket'],
  ['http://::1/', 'BAD_INPUT', 'IPv6 without brackets'],
  // Tricks with the parts of an address.
  ['http://media.example@127.0.0.1/', 'ADDRESS_REFUSED', 'the user name looks like the host'],
  ['http://media.example:80@127.0.0.1:8080/', 'ADDRESS_REFUSED', 'the credentials look like host and port'],
  ['http://a@media.example@127.0.0.1/', 'BAD_INPUT', 'two @'],
  ['http://media.example\\@127.0.0.1/', 'BAD_INPUT', 'a backslash'],
  ['http:\\\\127.0.0.1\\', 'BAD_INPUT', 'backslashes for slashes'],
  ['http://media.example#@127.0.0.1/', 'BAD_INPUT', 'a fragment'],
  ['http://media.example/\r\nHost: inside', 'BAD_INPUT', 'a line break'],
  ['http://media.example/a b', 'BAD_INPUT', 'a space'],
  [' http://media.example/', 'BAD_INPUT', 'a space before'],
  ['http://media.example/\0', 'BAD_INPUT', 'a zero byte'],
  ['http://', 'BAD_INPUT', 'no host'],
  ['http:///etc/passwd', 'BAD_INPUT', 'no host'],
  ['http://:80/', 'BAD_INPUT', 'no host'],
  ['http://@media.example/', 'BAD_INPUT', 'an empty user name'],
  ['http:/media.example/', 'BAD_INPUT', 'one slash'],
  ['http:media.example', 'BAD_INPUT', 'no slash'],
  ['//media.example/', 'BAD_INPUT', 'no scheme'],
  ['media.example', 'BAD_INPUT', 'no scheme'],
  ['', 'BAD_INPUT', 'nothing'],
  [LONG, 'BAD_INPUT', 'too long'],
  ['http://a..example/', 'BAD_INPUT', 'an empty label'],
  [`http://${'a'.repeat(64)}.example/`, 'BAD_INPUT', 'a label that is too long'],
  // Schemes and ffmpeg's own words.
  ['file:///etc/passwd', 'ADDRESS_REFUSED', 'a file'],
  ['file:/etc/passwd', 'ADDRESS_REFUSED', 'a file'],
  ['/etc/passwd', 'BAD_INPUT', 'a path'],
  ['concat:http://media.example/a|file:///etc/passwd', 'ADDRESS_REFUSED', 'several inputs'],
  ['data:video/mp4;base64,AAAA', 'ADDRESS_REFUSED', 'inline bytes'],
  ['crypto:http://media.example/', 'ADDRESS_REFUSED', 'a wrapper'],
  ['crypto+http://media.example/', 'ADDRESS_REFUSED', 'a wrapper'],
  ['async:cache:http://media.example/', 'ADDRESS_REFUSED', 'wrappers'],
  ['tee:[f=mpegts]udp://10.0.0.1', 'ADDRESS_REFUSED', 'several outputs'],
  ['subfile,,start,0,end,9,,:/etc/passwd', 'BAD_INPUT', 'options before the name'],
  ['pipe:0', 'ADDRESS_REFUSED', 'a descriptor'],
  ['unix:/run/docker.sock', 'ADDRESS_REFUSED', 'a socket of the system'],
  ['tcp://media.example:9000', 'ADDRESS_REFUSED', 'a bare connection'],
  ['gopher://media.example/', 'ADDRESS_REFUSED', 'another protocol'],
  ['ftp://media.example/a.mp4', 'ADDRESS_REFUSED', 'another protocol'],
  ['-i', 'BAD_INPUT', 'an option'],
  ['constructor://media.example/', 'ADDRESS_REFUSED', 'a word of the language'],
  // Ports.
  ['http://media.example:22/', 'ADDRESS_REFUSED', 'ssh'],
  ['http://media.example:25/', 'ADDRESS_REFUSED', 'mail'],
  ['http://media.example:6379/', 'ADDRESS_REFUSED', 'Redis'],
  ['rtsp://media.example:5432/', 'ADDRESS_REFUSED', 'PostgreSQL'],
  ['rtmp://media.example:11211/', 'ADDRESS_REFUSED', 'memcached'],
  ['http://media.example:9200/', 'ADDRESS_REFUSED', 'Elasticsearch'],
  ['http://media.example:0/', 'BAD_INPUT', 'no port'],
  ['http://media.example:65536/', 'BAD_INPUT', 'no port'],
  ['http://media.example:080/', 'BAD_INPUT', 'a leading zero'],
  ['http://media.example:8o/', 'BAD_INPUT', 'no number'],
  ['srt://media.example', 'BAD_INPUT', 'SRT has no port of its own'],
  // SRT and UDP could make ffmpeg listen.
  ['srt://media.example:9000?mode=listener', 'ADDRESS_REFUSED', 'listens'],
  ['srt://media.example:9000?mode=caller&localaddr=10.0.0.1', 'ADDRESS_REFUSED', 'binds'],
  ['srt://:9000?mode=listener', 'BAD_INPUT', 'no host'],
  ['udp://@:5000', 'ADDRESS_REFUSED', 'listens on all addresses'],
  ['udp://127.0.0.1:5000', 'ADDRESS_REFUSED', 'listens on loopback'],
  ['udp://@239.1.2.3:5000', 'ADDRESS_REFUSED', 'a multicast group'],
  ['udp://93.184.216.34:5000', 'ADDRESS_REFUSED', 'not an address of this machine'],
  ['udp://media.example:5000', 'BAD_INPUT', 'a name to listen on'],
  // Names that lead nowhere.
  ['rtsp://nowhere.example/', 'SOURCE_UNREACHABLE', 'no such name'],
  ['rtsp://empty.example/', 'SOURCE_UNREACHABLE', 'a name without addresses'],
];

describe('the gate by default', () => {
  it.each(VERDICTS)('judges %j: %s (%s)', async (address, expected) => {
    expect(await verdict(address)).toBe(expected);
  });

  it('says at once what needs no look-up, as open does', () => {
    for (const [address, expected] of VERDICTS) {
      let code: unknown = 'OPEN';
      try {
        gate().check(address);
      } catch (thrown) {
        code = (thrown as { code: unknown }).code;
      }
      // A name may turn out to be refused later, never the other way round.
      if (code !== 'OPEN') expect([address, code]).toEqual([address, expected]);
    }
  });

  it('never repeats a password in what it says', async () => {
    for (const address of [
      'rtsp://user:hunter2@10.0.0.1/',
      'rtsp://user:hunter2@inside.example/',
      'rtsp://user:hunter2@@media.example/',
      'ftp://user:hunter2@media.example/',
      'rtsp://user:hunter2@media.example:22/',
      'rtsp://user:hunter2@nowhere.example/',
      'hunter2',
    ]) {
      const error = await gate()
        .open(address, { signal })
        .catch((thrown: unknown) => thrown as Error);
      expect((error as Error).message).not.toContain('hunter2');
      expect((error as Error).message).toMatch(/\.$/);
    }
  });

  it('does not tell which address an inner name has', async () => {
    const error = await gate()
      .open('rtsp://inside.example/', { signal })
      .catch((thrown: unknown) => thrown as Error);
    expect((error as Error).message).not.toContain('10.1.2.3');
  });

  it('asks the system unless told otherwise', async () => {
    expect(await codeOf(createAddressGate().open('http://localhost:8080/', { signal }))).toBe('ADDRESS_REFUSED');
    const local = createAddressGate({ allowedHosts: ['localhost'] });
    await using opened = await local.open('rtmp://localhost/a', { signal });
    expect(opened.inputUrl).toMatch(/^rtmp:\/\/(127\.0\.0\.1|\[::1\]):1935\/a$/);
  });

  it.each([
    ['ENOTFOUND', true],
    ['EAI_AGAIN', false],
    ['ESERVFAIL', false],
  ])('takes %s for a clear word of the name service: %s', async (code, isClear) => {
    const resolve = () => Promise.reject(Object.assign(new Error(code), { code }));
    const failure = await gate({ resolve })
      .open('rtsp://media.example/', { signal })
      .catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ code: 'SOURCE_UNREACHABLE', message: 'The host media.example has no address.' });
    expect(failure instanceof DefiniteError).toBe(isClear);
  });

  it('ends with the signal while a name is looked up', async () => {
    const stop = new AbortController();
    const stuck = gate({ resolve: () => new Promise(() => {}) });
    const opening = codeOf(stuck.open('rtsp://media.example/', { signal: stop.signal }));
    stop.abort();
    expect(await opening).toBe('ABORTED');
    expect(await codeOf(gate().open('rtsp://10.0.0.1/', { signal: AbortSignal.abort() }))).toBe('ADDRESS_REFUSED');
    expect(await codeOf(gate().open('rtsp://media.example/', { signal: AbortSignal.abort() }))).toBe('ABORTED');
  });
});

describe('what is allowed', () => {
  it.each([
    ['rtsp://192.168.1.20/', '192.168.1.20', 'OPEN'],
    ['rtsp://192.168.1.21/', '192.168.1.20', 'ADDRESS_REFUSED'],
    ['rtsp://192.168.1.20/', '192.168.0.0/16', 'OPEN'],
    ['rtsp://10.0.0.1/', '192.168.0.0/16', 'ADDRESS_REFUSED'],
    ['rtsp://cam.lan/', '192.168.0.0/16', 'OPEN'],
    ['rtsp://cam.lan/', 'cam.lan', 'OPEN'],
    ['rtsp://CAM.LAN/', 'Cam.Lan', 'OPEN'],
    ['rtsp://inside.example/', 'cam.lan', 'ADDRESS_REFUSED'],
    ['rtsp://192.168.1.20/', 'cam.lan', 'ADDRESS_REFUSED'],
    ['http://[fd12:3456::1]/', 'fd12:3456::/32', 'OPEN'],
    ['http://[::1]/', '0:0::1', 'OPEN'],
    ['http://127.0.0.1:8080/', '127.0.0.1', 'OPEN'],
    ['http://localhost:8080/', '127.0.0.1', 'ADDRESS_REFUSED'],
    ['http://2130706433/', '127.0.0.1', 'ADDRESS_REFUSED'],
    ['http://[::ffff:127.0.0.1]/', '127.0.0.1', 'ADDRESS_REFUSED'],
    ['http://[::ffff:127.0.0.1]/', '::/0', 'ADDRESS_REFUSED'],
    ['http://169.254.169.254/', '169.254.0.0/16', 'ADDRESS_REFUSED'],
    ['http://169.254.169.254/', '0.0.0.0/0', 'ADDRESS_REFUSED'],
    ['http://metadata.google.internal/', 'metadata.google.internal', 'ADDRESS_REFUSED'],
    ['http://169.254.169.254/', '169.254.169.254', 'OPEN'],
    ['http://127.0.0.1:6379/', '127.0.0.1', 'ADDRESS_REFUSED'],
    ['file:///etc/passwd', '0.0.0.0/0', 'ADDRESS_REFUSED'],
    ['udp://@:5000', '0.0.0.0', 'OPEN'],
    ['http://0.0.0.0:8080/', '0.0.0.0', 'ADDRESS_REFUSED'],
    ['http://[::]:8080/', '::/0', 'ADDRESS_REFUSED'],
    ['rtsp://239.1.2.3/', '239.0.0.0/8', 'ADDRESS_REFUSED'],
    ['udp://127.0.0.1:5000', '127.0.0.1', 'OPEN'],
    ['udp://@239.1.2.3:5000', '239.0.0.0/8', 'OPEN'],
    ['udp://[ff02::1]:5000', 'ff02::1', 'ADDRESS_REFUSED'],
    ['udp://127.0.0.1:500', '127.0.0.1', 'ADDRESS_REFUSED'],
    ['udp://127.0.0.1:5000?localaddr=0.0.0.0', '127.0.0.1', 'ADDRESS_REFUSED'],
    ['udp://127.0.0.1:5000/x', '127.0.0.1', 'BAD_INPUT'],
    ['udp://me@127.0.0.1:5000', '127.0.0.1', 'BAD_INPUT'],
  ])('judges %s with %s allowed: %s', async (address, allowed, expected) => {
    expect(await verdict(address, { allowedHosts: [allowed] })).toBe(expected);
  });

  it.each(['', '10.0.0.0/33', '10.0.0/8', '0x7f.0.0.1', '127.1', '*.lan', 'cam lan', 'fe80::1%eth0', 'http://cam.lan'])(
    'is no %j',
    (entry) => {
      expect(() => gate({ allowedHosts: [entry] })).toThrow(/no CIDR block/);
    },
  );
});

describe('what is shown', () => {
  it.each([
    ['rtsp://user:pass@Media.Example:8554/live/1', 'rtsp://media.example:8554/live/1'],
    ['rtsp://media.example:554', 'rtsp://media.example'],
    ['https://media.example/a.m3u8?token=secret&x=1', 'https://media.example/a.m3u8?...'],
    ['srt://media.example:9000?passphrase=secret', 'srt://media.example:9000?...'],
    [
      'rtsp://media.example/user=admin&password=tlJwpbo6&channel=1&stream=0.sdp',
      'rtsp://media.example/user=...&password=...&channel=1&stream=0.sdp',
    ],
    [
      'rtsp://media.example/user=admin_password=tl_Jw_channel=1_stream=0.sdp',
      'rtsp://media.example/user=..._password=..._channel=1_stream=0.sdp',
    ],
    ['http://[2606:2800:0220:0001::1946]:8080/', 'http://[2606:2800:220:1::1946]:8080/'],
  ])('%s as %s', async (address, shownUrl) => {
    expect(gate().check(address)).toEqual({ kind: expect.any(String), shownUrl });
    await using opened = await gate().open(address, { signal });
    expect(opened.shownUrl).toBe(shownUrl);
  });
});

describe('what ffmpeg gets', () => {
  it('has the pinned address for the name, and the credentials', async () => {
    await using opened = await gate().open('rtmp://us%40er:pass@both.example/app/x?key=1', { signal });
    expect(opened.inputUrl).toBe('rtmp://us%40er:pass@93.184.216.34:1935/app/x?key=1');
    await using six = await gate().open('srt://six.example:9000?streamid=a', { signal });
    expect(six.inputUrl).toBe('srt://[2606:2800:220:1:248:1893:25c8:1946]:9000?streamid=a');
  });

  it('binds a UDP port to the address that was allowed and no other', async () => {
    await using opened = await gate({ allowedHosts: ['127.0.0.1'] }).open('udp://127.0.0.1:5000', { signal });
    expect(opened.inputUrl).toBe('udp://127.0.0.1:5000?localaddr=127.0.0.1');
    const groups = gate({ allowedHosts: ['239.0.0.0/8'] });
    await using group = await groups.open('udp://@239.1.2.3:5000', { signal });
    expect(group.inputUrl).toBe('udp://239.1.2.3:5000');
  });

  it('is a relay on loopback wherever ffmpeg could be led astray', async () => {
    for (const address of [
      'rtsp://media.example/a',
      'rtsps://media.example/a',
      'rtmps://media.example/a',
      'http://media.example/a',
    ]) {
      await using opened = await gate().open(address, { signal });
      expect(opened.inputUrl).toMatch(/^(rtsp|rtmp|http):\/\/127\.0\.0\.1:\d+\//);
      expect(opened.refusal).toBeUndefined();
    }
  });

  it('asks for a name once each time it is opened', async () => {
    const asked: string[] = [];
    const counting = gate({
      resolve: async (name) => {
        asked.push(name);
        return ['93.184.216.34'];
      },
    });
    await using _first = await counting.open('rtmp://media.example/a', { signal });
    await using _second = await counting.open('http://media.example/a', { signal });
    expect(asked).toEqual(['media.example', 'media.example']);
  });
});

/** Every way that some resolver or another writes an IPv4 address. */
const SPELLINGS: readonly ((octets: readonly number[]) => string)[] = [
  (octets) => octets.join('.'),
  (octets) => String(numberOf(octets)),
  (octets) => `0x${numberOf(octets).toString(16)}`,
  (octets) => `0${numberOf(octets).toString(8)}`,
  (octets) => octets.map((octet) => `0x${octet.toString(16)}`).join('.'),
  (octets) => octets.map((octet) => `0${octet.toString(8)}`).join('.'),
  ([a, ...rest]) => `${a}.${numberOf([0, ...rest])}`,
  ([a, b, c, d]) => `${a}.0x${b!.toString(16)}.${c! * 256 + d!}`,
  ([a, b, c, d]) => `0${a!.toString(8)}.${b}.0x${c!.toString(16)}.${d}`,
  (octets) => `[::ffff:${octets.join('.')}]`,
  (octets) => `[::ffff:${hexPair(octets)}]`,
  (octets) => `[::${octets.join('.')}]`,
  (octets) => `[64:ff9b::${hexPair(octets)}]`,
  (octets) => `[64:ff9b:1::${octets.join('.')}]`,
  (octets) => `[2002:${hexPair(octets)}::1]`,
  (octets) => `${octets.join('.')}.`,
  (octets) => octets.join('。'),
  (octets) => encodeURIComponent(octets.join('.')).replaceAll('.', '%2e'),
];

function numberOf(octets: readonly number[]): number {
  return octets.reduce((sum, octet) => sum * 256 + octet, 0);
}

function hexPair([a, b, c, d]: readonly number[]): string {
  return `${(a! * 256 + b!).toString(16)}:${(c! * 256 + d!).toString(16)}`;
}

const octet = fc.nat(255);
const privateIpv4 = fc.oneof(
  fc.tuple(fc.constantFrom(0, 10, 127), octet, octet, octet),
  fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
  fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
  fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
  fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
  fc.tuple(fc.integer({ min: 224, max: 255 }), octet, octet, octet),
);

describe('whatever comes', () => {
  it('lets no spelling of an inner IPv4 address pass', () => {
    const judge = gate();
    fc.assert(
      fc.property(
        privateIpv4,
        fc.constantFrom(...SPELLINGS),
        fc.constantFrom('http', 'rtsp', 'rtmp', 'https'),
        fc.boolean(),
        (octets, spell, scheme, upper) => {
          const host = upper ? spell(octets).toUpperCase() : spell(octets);
          expect(() => judge.check(`${scheme}://${host}/x`)).toThrow();
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('opens or refuses any text, and shows nothing of its credentials', () => {
    const judge = gate();
    const part = fc.stringMatching(/^[ -~]{0,12}$/);
    const address = fc
      .tuple(fc.constantFrom('http', 'rtsp', 'srt', 'udp', 'file', 'x'), part, part, part)
      .map(([scheme, left, host, path]) => `${scheme}://u:secret${left}@${host}/${path}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), address), (text) => {
        try {
          expect(judge.check(text).shownUrl).not.toContain('u:secret');
        } catch (thrown) {
          expect(['BAD_INPUT', 'ADDRESS_REFUSED']).toContain((thrown as { code: unknown }).code);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('reads a host as the standard does, wherever both read one', () => {
    const judge = gate({ allowedHosts: ['0.0.0.0/0'] });
    const text = fc.stringMatching(/^[a-z0-9.:@[\]%/?-]{1,24}$/);
    fc.assert(
      fc.property(text, (rest) => {
        let shown: string;
        try {
          shown = judge.check(`http://${rest}`).shownUrl;
        } catch {
          return;
        }
        expect(new URL(shown).host).toBe(new URL(`http://${rest}`).host);
      }),
      { numRuns: 5000 },
    );
  });
});
