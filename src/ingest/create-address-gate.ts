/** The gate itself: every address of a client passes here before anything is connected to. */
import { AppError } from '../errors.ts';
import type { AddressGate, CheckedAddress, OpenedAddress } from './address-gate.ts';
import { isMulticast, type ParsedAddress, urlHost } from './address-syntax.ts';
import { checkDevice, isDeviceAddress, openDevice } from './device.ts';
import { createHostPolicy } from './host-policy.ts';
import { HttpRelay } from './http-relay.ts';
import { type AddressJudge, createAddressJudge, type Resolve } from './pin-host.ts';
import { calledUrl } from './rtmp-call.ts';
import { SocketRelay } from './socket-relay.ts';

export interface AddressGateOptions {
  /** CIDR blocks, IP addresses and host names that may be opened although they are not public. Default none. */
  readonly allowedHosts?: readonly string[];
  /** Devices of this machine that may be opened, by their names in `device:NAME`. Default none. */
  readonly allowedDevices?: readonly string[];
  /** Redirects that are followed for one request; 0 follows none. Default 5. */
  readonly maxRedirects?: number;
  /** Looks up a name; default the system's resolver. */
  readonly resolve?: Resolve;
  /** Longest wait for a connection and the head of an answer. Default 10. */
  readonly answerTimeoutSeconds?: number;
  /** Longest silence in the middle of an answer over HTTP. Default 30. */
  readonly idleTimeoutSeconds?: number;
}

const DEFAULT_MAX_REDIRECTS = 5;
const DEFAULT_ANSWER_TIMEOUT_SECONDS = 10;
const DEFAULT_IDLE_TIMEOUT_SECONDS = 30;

/** Errors: CONFIG_INVALID when `allowedHosts` has something else. */
export function createAddressGate(options: AddressGateOptions = {}): AddressGate {
  const { allowedDevices = [] } = options;
  const judge = createAddressJudge(createHostPolicy(options.allowedHosts ?? []), options.resolve);
  return {
    check(address) {
      if (isDeviceAddress(address)) return checkDevice(address, allowedDevices);
      const { kind, shownUrl } = judge.parse(address);
      return { kind, shownUrl };
    },
    async open(address, { signal }) {
      if (isDeviceAddress(address)) return openDevice(checkDevice(address, allowedDevices));
      const parsed = judge.parse(address);
      const ip = await judge.pin(parsed.host, signal);
      return openPinned(parsed, ip, { judge, options });
    },
  };
}

interface Opening {
  readonly judge: AddressJudge;
  readonly options: AddressGateOptions;
}

async function openPinned(source: ParsedAddress, ip: string, { judge, options }: Opening): Promise<OpenedAddress> {
  const { kind, shownUrl } = source;
  const answerTimeoutMs = (options.answerTimeoutSeconds ?? DEFAULT_ANSWER_TIMEOUT_SECONDS) * 1000;
  const maxRedirects = options.maxRedirects ?? DEFAULT_MAX_REDIRECTS;
  if (kind === 'HTTP') {
    const idleTimeoutMs = (options.idleTimeoutSeconds ?? DEFAULT_IDLE_TIMEOUT_SECONDS) * 1000;
    const relay = await HttpRelay.open({
      source,
      sourceIp: ip,
      judge,
      maxRedirects,
      answerTimeoutMs,
      idleTimeoutMs,
    });
    return opened(source, relay);
  }
  if (kind === 'RTSP' || source.secure) {
    const relay = await SocketRelay.open({
      source,
      sourceIp: ip,
      connectTimeoutMs: answerTimeoutMs,
      async openRedirect(location, signal) {
        if (maxRedirects === 0) throw new AppError('SOURCE_UNREACHABLE', 'The source redirects too often.');
        const target = judge.parse(location);
        const targetIp = await judge.pin(target.host, signal);
        return openPinned(target, targetIp, {
          judge,
          options: { ...options, maxRedirects: maxRedirects - 1 },
        });
      },
    });
    return opened(source, relay);
  }
  return { kind, shownUrl, ...called(source), inputUrl: directUrl(source, ip), [Symbol.asyncDispose]: async () => {} };
}

type Relay = AsyncDisposable & Omit<OpenedAddress, keyof CheckedAddress>;

function opened(source: ParsedAddress, relay: Relay): OpenedAddress {
  const { kind, shownUrl } = source;
  return {
    kind,
    shownUrl,
    ...called(source),
    inputUrl: relay.inputUrl,
    proxyUrl: relay.proxyUrl,
    get refusal() {
      return relay.refusal;
    },
    get brokeOff() {
      return relay.brokeOff ?? false;
    },
    get problem() {
      return relay.problem;
    },
    get playlist() {
      return relay.playlist;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}

function called(source: ParsedAddress): Pick<OpenedAddress, 'calledUrl'> {
  return source.kind === 'RTMP' ? { calledUrl: calledUrl(source) } : {};
}

/** What ffmpeg connects to itself: these protocols have no way to lead it elsewhere. */
function directUrl({ kind, scheme, userInfo, port, path, query }: ParsedAddress, ip: string): string {
  const host = urlHost({ kind: 'IP', ip });
  // Without localaddr ffmpeg listens on all addresses, whichever it is told; a group it binds to by itself.
  if (kind === 'UDP') return `udp://${host}:${port}${isMulticast(ip) ? '' : `?localaddr=${ip}`}`;
  return `${scheme}://${userInfo}${host}:${port}${path}${query}`;
}
