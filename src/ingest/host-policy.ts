/** Which IP addresses a stream may come from: public ones, and what the operator allows besides. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { AppError } from '../errors.ts';
import { canonicalIp, isHostName } from './address-syntax.ts';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

export interface HostPolicy {
  /** Why this address may not be connected to, in words; `null` when it may. `name` is what was resolved to it. */
  refusal(ip: string, name?: string): string | null;
  /** Whether the operator named this address, alone or in a block: for what is listened on. */
  allows(ip: string): boolean;
}

/**
 * Where clouds hand out credentials, or talk to their machines. A block that is allowed does not allow them, only the
 * address itself. The Azure one lies in a public range.
 */
const METADATA: ReadonlySet<string> = new Set([
  '169.254.169.254', // AWS, Azure, Google and most others
  '169.254.170.2', // AWS containers
  '168.63.129.16', // Azure
  '100.100.100.200', // Alibaba
  '192.0.0.192', // Oracle
  'fd00:ec2::254', // AWS
  'fd20:ce::254', // Google
]);

/** Good to listen on; to connect to 0.0.0.0 is to connect to this machine, which whoever allowed it for UDP did not mean. */
const LISTENING_ONLY: ReadonlySet<string> = new Set(['unspecified', 'multicast', 'broadcast']);

/**
 * IPv6 addresses that carry an IPv4 address, by ipaddr.js' names: no stream needs them, and whoever allows a block means
 * none of them.
 */
const EMBEDDED: ReadonlySet<string> = new Set(['ipv4Mapped', 'rfc6145', 'rfc6052', '6to4', 'teredo']);

/** All that is handed out for the public so far; the rest of IPv6 is reserved, or for some special use. */
const PUBLIC_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');

/** Takes CIDR blocks, IP addresses and host names. Errors: CONFIG_INVALID for anything else. */
export function createHostPolicy(allowedHosts: readonly string[]): HostPolicy {
  const names = new Set<string>();
  const exact = new Set<string>();
  const blocks: [Ip, number][] = [];
  for (const entry of allowedHosts) {
    const text = entry.toLowerCase();
    // ipaddr.js alone would also read octal and hexadecimal numbers.
    const isAddress = isIP(text.split('/', 1)[0]!) !== 0 && !text.includes('%');
    if (isAddress && ipaddr.isValidCIDR(text)) blocks.push(ipaddr.parseCIDR(text));
    else if (isAddress && !text.includes('/')) exact.add(canonicalIp(text));
    else if (isHostName(text)) names.add(text);
    else throw new AppError('CONFIG_INVALID', `${JSON.stringify(entry)} is no CIDR block, IP address or host name.`);
  }

  function allows(text: string): boolean {
    const ip = ipaddr.parse(text);
    if (exact.has(text)) return true;
    if (METADATA.has(text) || isEmbedded(ip)) return false;
    return blocks.some(([base, bits]) => base.kind() === ip.kind() && ip.match([base, bits]));
  }

  return {
    allows,
    refusal(text, name) {
      const ip = ipaddr.parse(text);
      if (LISTENING_ONLY.has(ip.range())) return 'not one that can be connected to';
      if (allows(text)) return null;
      if (METADATA.has(text)) return 'an address of cloud metadata';
      if (isEmbedded(ip)) return 'an IPv6 address that carries an IPv4 address';
      if (name !== undefined && names.has(name)) return null;
      return isPublic(ip) ? null : 'not a public address';
    },
  };
}

function isEmbedded(ip: Ip): boolean {
  return ip.kind() === 'ipv6' && EMBEDDED.has(ip.range());
}

function isPublic(ip: Ip): boolean {
  return ip.range() === 'unicast' && (ip.kind() === 'ipv4' || ip.match(PUBLIC_IPV6));
}
