/**
 * Reads an address strictly: one spelling for each thing, so that what is judged here is what ffmpeg and the system
 * resolver will understand. What has several readings (numbers as hosts, backslashes, two `@`) is not read at all.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { AppError } from '../errors.ts';
import type { AddressKind } from './address-gate.ts';

export const MAX_ADDRESS_CHARACTERS = 2048;

interface Scheme {
  readonly kind: AddressKind;
  readonly secure: boolean;
  /** `null` where an address must name its port. */
  readonly defaultPort: number | null;
}

const SCHEMES: Readonly<Record<string, Scheme>> = {
  rtsp: { kind: 'RTSP', secure: false, defaultPort: 554 },
  rtsps: { kind: 'RTSP', secure: true, defaultPort: 322 },
  rtmp: { kind: 'RTMP', secure: false, defaultPort: 1935 },
  rtmps: { kind: 'RTMP', secure: true, defaultPort: 443 },
  srt: { kind: 'SRT', secure: false, defaultPort: null },
  udp: { kind: 'UDP', secure: false, defaultPort: null },
  http: { kind: 'HTTP', secure: false, defaultPort: 80 },
  https: { kind: 'HTTP', secure: true, defaultPort: 443 },
};

/** Below 1024 only what media are served on: web and camera pages, and the two ports of RTSP. */
const LOW_PORTS: ReadonlySet<number> = new Set([80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 322, 443, 554]);

/**
 * Ports from 1024 on behind which other services wait that a stray request could harm or question: proxies, databases,
 * brokers, remote control, orchestration. Media servers choose their own ports, so the others are open.
 */
const SERVICE_PORTS: ReadonlySet<number> = new Set([
  ...[1080, 1433, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3268, 3306, 3389, 3659],
  ...[4045, 4190, 4369, 5060, 5061, 5432, 5601, 5672, 5900, 5984, 5985, 5986, 6000, 6379, 6380, 6443, 6566, 6665],
  ...[6666, 6667, 6668, 6669, 6697, 8086, 8125, 8300, 8500, 8529, 9042, 9092, 9100, 9200, 9300, 10080, 10250, 10255],
  ...[11211, 15672, 26379, 27017, 27018, 27019, 50070, 61616],
]);

/** A name for the resolver, in lower case, or an IP address in its canonical spelling. */
export type Host = { readonly kind: 'NAME'; readonly name: string } | { readonly kind: 'IP'; readonly ip: string };

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface ParsedAddress {
  readonly kind: AddressKind;
  readonly scheme: string;
  /** Speaks TLS. */
  readonly secure: boolean;
  readonly host: Host;
  readonly port: number;
  /** Decoded; `null` where the address has none. */
  readonly credentials: Credentials | null;
  /** As it stands in the address, for ffmpeg: empty, or with its `@`. */
  readonly userInfo: string;
  /** Empty, or from its slash on. */
  readonly path: string;
  /** Empty, or from its question mark on. */
  readonly query: string;
  /** Without credentials; a query, where tokens stand, is shown as `?...`. */
  readonly shownUrl: string;
}

const SHAPE = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/;
const USER_INFO = /^(?:[\w.~!$&'()*+,;=:-]|%[0-9a-f]{2})+$/i;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** What some resolver takes for a number: then the whole name is one, in a spelling of the last century. */
const NUMBER = /^(\d+|0x[0-9a-f]*)$/;

/**
 * Errors: BAD_INPUT for what is no address, ADDRESS_REFUSED for an address of a scheme, port or spelling that is not
 * opened. No message repeats the address, which may carry a password.
 */
export function parseAddress(address: string): ParsedAddress {
  if (address.length > MAX_ADDRESS_CHARACTERS) {
    throw bad(`has more than ${MAX_ADDRESS_CHARACTERS} characters`);
  }
  if (/[^\x21-\x7e]/.test(address)) {
    throw bad('has spaces or characters outside of ASCII; write them percent-encoded, and a host in its xn-- form');
  }
  if (/[\\#]/.test(address)) throw bad('has a backslash or a fragment (#); percent-encode what belongs to it');
  const [, name, rest] = /^([a-z][a-z0-9+.-]*):(.*)$/i.exec(address) ?? [];
  if (name === undefined || rest === undefined) throw bad(`does not begin with a scheme, one of ${schemeList()}`);
  const scheme = name.toLowerCase();
  const facts = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined;
  if (facts === undefined) throw refused(`The scheme ${scheme}: is not opened, only ${schemeList()}.`);
  const [, authority, path = '', query = ''] = /^\/\/([^/?]*)(\/[^?]*)?(\?.*)?$/.exec(rest) ?? [];
  if (authority === undefined) throw bad('has no // after its scheme');
  const [, userInfo, hostText, portText] = SHAPE.exec(authority) ?? [];
  if (hostText === undefined) throw bad('has a host, port or user name that cannot be read; percent-encode a password');

  const isUdp = facts.kind === 'UDP';
  const host = isUdp && hostText === '' ? ({ kind: 'IP', ip: '0.0.0.0' } as const) : parseHost(hostText.toLowerCase());
  const port = parsePort(portText, facts.defaultPort);
  const shownPort = port === facts.defaultPort ? '' : `:${port}`;
  const parsed: ParsedAddress = {
    kind: facts.kind,
    scheme,
    secure: facts.secure,
    host,
    port,
    // `udp://@:5000` has an @ by habit.
    credentials: isUdp && userInfo === '' ? null : parseUserInfo(userInfo),
    userInfo: userInfo === undefined || userInfo === '' ? '' : `${userInfo}@`,
    path,
    query: query === '?' ? '' : query,
    shownUrl: `${scheme}://${urlHost(host)}${shownPort}${withoutSecrets(path)}${query.length > 1 ? '?...' : ''}`,
  };
  if (parsed.kind === 'UDP' || parsed.kind === 'SRT') checkDatagramAddress(parsed);
  return parsed;
}

/** Cameras that log in by their path write `/user=admin&password=tlJwpbo6&channel=1` or `/user=admin_password=tlJwpbo6_channel=1`. */
const SECRET_IN_PATH =
  /((?:user|usr|username|login|pass|passwd|password|pwd|token|key|secret|auth)=)(?:(?!_[a-z]+=)[^&;/])+/gi;

function withoutSecrets(path: string): string {
  return path.replace(SECRET_IN_PATH, '$1...');
}

/** The host as it stands in a URL. */
export function urlHost(host: Host): string {
  if (host.kind === 'NAME') return host.name;
  return isIPv6(host.ip) ? `[${host.ip}]` : host.ip;
}

/** An IP address in the one spelling that is compared and shown; for texts that `isIP` takes. */
export function canonicalIp(ip: string): string {
  return isIPv4(ip) ? ip : ipaddr.IPv6.parse(ip).toRFC5952String();
}

export function isMulticast(ip: string): boolean {
  return ipaddr.parse(ip).range() === 'multicast';
}

/** A DNS name in lower case that no resolver takes for a number. */
export function isHostName(text: string): boolean {
  const labels = text.split('.');
  return text.length <= 253 && labels.every((label) => LABEL.test(label)) && !NUMBER.test(labels.at(-1)!);
}

function parseHost(text: string): Host {
  if (text === '') throw bad('has no host');
  if (text.startsWith('[')) {
    const inner = text.slice(1, -1);
    // A zone (%eth0) makes sense to this machine alone.
    if (!isIPv6(inner) || inner.includes('%')) throw bad('has something in brackets that is no IPv6 address');
    return { kind: 'IP', ip: canonicalIp(inner) };
  }
  if (isIP(text) !== 0) return { kind: 'IP', ip: text };
  if (isHostName(text)) return { kind: 'NAME', name: text };
  if (text.split('.').some((label) => NUMBER.test(label)) && /^[0-9a-fx.]+$/.test(text)) {
    throw refused('The host is an IP address in an unusual spelling; write it as four decimal numbers.');
  }
  throw bad('has a host that is neither a name, nor an IPv4 address, nor an IPv6 address in brackets');
}

function parsePort(text: string | undefined, defaultPort: number | null): number {
  if (text === undefined && defaultPort === null) throw bad('needs a port');
  if (text === undefined) return defaultPort!;
  const port = Number(text);
  if (text.startsWith('0') || port > 65535) throw bad('has a port that is no number from 1 to 65535');
  if (port < 1024 ? !LOW_PORTS.has(port) : SERVICE_PORTS.has(port)) {
    throw refused(`Port ${port} belongs to another service than media and is not opened.`);
  }
  return port;
}

function parseUserInfo(text: string | undefined): Credentials | null {
  if (text === undefined) return null;
  const at = text.indexOf(':');
  try {
    if (!USER_INFO.test(text)) throw new URIError();
    const user = decodeURIComponent(at < 0 ? text : text.slice(0, at));
    return { user, password: at < 0 ? '' : decodeURIComponent(text.slice(at + 1)) };
  } catch {
    throw bad('has a user name or password that cannot be read; percent-encode it');
  }
}

/** Options of SRT that only tune a call; others make it listen, bind to an address or read files. */
const SRT_OPTIONS: ReadonlySet<string> = new Set([
  ...['streamid', 'passphrase', 'pbkeylen', 'latency', 'rcvlatency', 'peerlatency', 'connect_timeout', 'transtype'],
]);

function checkDatagramAddress({ kind, host, port, credentials, path, query }: ParsedAddress): void {
  if (credentials !== null) throw bad(`takes no user name, since ${kind} has none`);
  if (path !== '' && path !== '/') throw bad(`takes no path, since ${kind} has none`);
  const options = query === '' ? [] : query.slice(1).split('&');
  if (kind === 'SRT') {
    for (const option of options) {
      const name = option.split('=', 1)[0]!;
      if (option === 'mode=caller' || SRT_OPTIONS.has(name)) continue;
      throw refused(`SRT is opened as a caller, with the options ${[...SRT_OPTIONS].join(', ')}.`);
    }
    return;
  }
  if (options.length > 0) throw refused('UDP is opened without options.');
  if (host.kind === 'NAME') throw bad('needs an IP address to listen on, or a multicast group, not a name');
  if (isIPv6(host.ip) && isMulticast(host.ip)) {
    throw refused('UDP is not listened to on IPv6 groups: ffmpeg would listen on all addresses.');
  }
  if (port < 1024) throw refused('UDP is listened to on ports from 1024 on.');
}

function schemeList(): string {
  return Object.keys(SCHEMES).join(', ');
}

function bad(why: string): AppError {
  return new AppError('BAD_INPUT', `The address ${why}.`);
}

export function refused(message: string): AppError {
  return new AppError('ADDRESS_REFUSED', message);
}
