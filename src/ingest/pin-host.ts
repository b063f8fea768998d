/** From a host to the one IP address that is connected to. */
import { lookup } from 'node:dns/promises';
import { isIP, isIPv4 } from 'node:net';
import { AppError } from '../errors.ts';
import { canonicalIp, type Host, type ParsedAddress, parseAddress, refused } from './address-syntax.ts';
import { DefiniteError } from './definite-error.ts';
import type { HostPolicy } from './host-policy.ts';
import { aborted } from './media-process.ts';

/** All IP addresses of a name; throws when it has none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** The system's resolver gives up after some 10 s itself; this bounds one that does not. */
const RESOLVE_TIMEOUT_MS = 15_000;

export interface AddressJudge {
  /** Everything that can be judged without asking the network. Errors: BAD_INPUT, ADDRESS_REFUSED. */
  parse(address: string): ParsedAddress;
  /** Resolves once and judges every address. Errors: ADDRESS_REFUSED, SOURCE_UNREACHABLE, ABORTED. */
  pin(host: Host, signal: AbortSignal): Promise<string>;
}

export function createAddressJudge(policy: HostPolicy, resolve: Resolve = systemResolve): AddressJudge {
  return {
    parse(text) {
      const address = parseAddress(text);
      const { kind, host } = address;
      if (kind === 'UDP') {
        // ffmpeg would open a port of this machine for whoever sends to it: never without the operator's word.
        if (host.kind === 'IP' && policy.allows(host.ip)) return address;
        throw refused(`UDP is listened to only on addresses and multicast groups that are allowed; ${ALLOWED_HOW}`);
      }
      const reason = host.kind === 'IP' ? policy.refusal(host.ip) : null;
      if (reason !== null) throw refused(`The host is ${reason}; ${ALLOWED_HOW}`);
      return address;
    },

    async pin(host, signal) {
      if (signal.aborted) throw aborted(signal);
      if (host.kind === 'IP') return host.ip;
      const ips = await within(resolve(host.name), host.name, signal);
      if (ips.length === 0) throw unresolved(host.name);
      // An address with a zone (fe80::1%eth0) is one of the local network.
      const isOpen = (ip: string): boolean =>
        isIP(ip) !== 0 && !ip.includes('%') && policy.refusal(canonicalIp(ip), host.name) === null;
      if (!ips.every(isOpen)) {
        // Which address it is stays here: the network inside is nobody's business outside.
        throw refused(`The host ${host.name} leads to an address that may not be opened; ${ALLOWED_HOW}`);
      }
      // Where both are there, IPv4 is the one that works from more places.
      return canonicalIp(ips.find((ip) => isIPv4(ip)) ?? ips[0]!);
    },
  };
}

const ALLOWED_HOW = 'the operator can allow hosts with ALLOWED_HOSTS.';

async function systemResolve(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);
}

/** A look-up cannot be taken back: its answer is not waited for any longer. */
function within<T>(resolving: Promise<T>, name: string, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => settle(() => reject(aborted(signal)));
    const timer = setTimeout(() => settle(() => reject(unresolved(name))), RESOLVE_TIMEOUT_MS);
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      how();
    };
    signal.addEventListener('abort', abort, { once: true });
    resolving.then(
      (value) => settle(() => resolve(value)),
      (cause: unknown) => settle(() => reject(unresolved(name, cause))),
    );
  });
}

function unresolved(name: string, cause?: unknown): AppError {
  const message = `The host ${name} has no address.`;
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  // Everything else, EAI_AGAIN before all, tells of the name service and not of the name.
  return code === 'ENOTFOUND'
    ? new DefiniteError(message, { cause })
    : new AppError('SOURCE_UNREACHABLE', message, { cause });
}
