/** An address gate that opens this machine alone, so that tests may read from the servers that they start. */
import { AppError } from '../../src/errors.ts';
import type { AddressGate, AddressKind, CheckedAddress } from '../../src/ingest/index.ts';

const KINDS: Readonly<Record<string, AddressKind>> = {
  'rtsp:': 'RTSP',
  'rtmp:': 'RTMP',
  'srt:': 'SRT',
  'udp:': 'UDP',
  'http:': 'HTTP',
};

export interface LoopbackGate extends AddressGate {
  /** Addresses opened so far. */
  readonly opened: number;
  /** From now on `open` refuses. */
  refuse(): void;
}

export function loopbackGate(): LoopbackGate {
  let opened = 0;
  let refused = false;
  function check(address: string): CheckedAddress {
    const url = URL.canParse(address) ? new URL(address) : null;
    const kind = KINDS[url?.protocol ?? ''];
    if (url === null || kind === undefined) throw new AppError('BAD_INPUT', 'That is no address of a live source.');
    if (url.hostname !== '127.0.0.1' || refused) throw new AppError('ADDRESS_REFUSED', 'Only loopback is open here.');
    url.username = '';
    url.password = '';
    return { kind, shownUrl: url.href };
  }
  return {
    check,
    get opened() {
      return opened;
    },
    refuse() {
      refused = true;
    },
    async open(address) {
      const checked = check(address);
      opened += 1;
      return { ...checked, inputUrl: address, async [Symbol.asyncDispose]() {} };
    },
  };
}
