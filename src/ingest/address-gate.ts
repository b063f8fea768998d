/** Which addresses a stream may be opened from: the words between those who judge an address and those who read from it. */

import type { AppError } from '../errors.ts';

/** How ffmpeg reads from an address. */
export type AddressKind = 'RTSP' | 'RTMP' | 'SRT' | 'UDP' | 'HTTP' | 'DEVICE';

/** What can be said of an address without asking the network. */
export interface CheckedAddress {
  readonly kind: AddressKind;
  /** Without credentials and secrets: for people, logs and the database. */
  readonly shownUrl: string;
}

/** An address that may be opened, ready for ffmpeg; whatever stands between (a relay) ends with it. */
export interface OpenedAddress extends CheckedAddress, AsyncDisposable {
  /** For ffmpeg alone: the host is a pinned IP address, or that of a relay on loopback; a device's name. May carry credentials. */
  readonly inputUrl: string;
  /** What ffmpeg is to take for its HTTP proxy, so that nothing it opens by itself gets past the relay. */
  readonly proxyUrl?: string | undefined;
  /** What ffmpeg is to tell an RTMP server that it was called by. */
  readonly calledUrl?: string | undefined;
  /**
   * The first thing that a relay refused since the address was opened (a redirect, a segment of a playlist): it says
   * more than ffmpeg's complaint about it. Nothing while nothing was.
   */
  readonly refusal?: AppError | undefined;
  /** Whether the source broke off in the middle of what it sends by this very address. Nothing where no relay can tell. */
  readonly brokeOff?: boolean;
  /** Why the last thing that a relay could not fetch was not there. ffmpeg knows the relay alone, and tells less. */
  readonly problem?: AppError | undefined;
  /** Nothing until a relay has seen that the source is a playlist. */
  readonly playlist?: PlaylistFacts | undefined;
}

/** What a relay has seen of a playlist (HLS) since the address was opened. */
export interface PlaylistFacts {
  /** The longest that a segment may be, by the lists' own word. Seconds; 0 where none has one. */
  readonly targetSeconds: number;
  /** Whether a list has said that no more segments will come. */
  readonly hasEnded: boolean;
  /** Segments that did not come whole; ffmpeg goes on with the next one. */
  readonly segmentsFailed: number;
  /** Whether the last segment that was asked for is one of them. */
  readonly lastFailed: boolean;
}

/** Judges addresses. */
export interface AddressGate {
  /** Syntax, scheme, port and literal IP addresses, at once. Errors: BAD_INPUT, ADDRESS_REFUSED. */
  check(address: string): CheckedAddress;
  /**
   * Checks, resolves the name once, judges every IP address that it has, pins one. Before each connection anew.
   * Errors: those of `check`, SOURCE_UNREACHABLE when the name does not resolve, ABORTED.
   */
  open(address: string, options: { readonly signal: AbortSignal }): Promise<OpenedAddress>;
}
