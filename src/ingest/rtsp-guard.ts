/**
 * Judges what an RTSP server answers, between it and ffmpeg. ffmpeg follows its redirects to any address, and sends and
 * listens wherever the answer to SETUP says; here redirects go through the policy, and media come from and reports go
 * to the server's own address. All else passes unchanged.
 */
import { refused } from './address-syntax.ts';
import { type RtspHeader, type RtspMessage, statusOf, unreadable, valuesOf } from './rtsp-messages.ts';

export interface RtspGuardOptions {
  /** The server's pinned address. */
  readonly serverIp: string;
  /** Makes the address to go to instead of one that a redirect names. Throws what keeps it from being opened. */
  readonly redirect: (location: string) => Promise<string>;
}

/** What may go on to ffmpeg of a server's message. Errors: ADDRESS_REFUSED, SOURCE_UNREACHABLE, those of `redirect`. */
export async function guarded(message: RtspMessage, options: RtspGuardOptions): Promise<RtspMessage> {
  const status = statusOf(message) ?? 0;
  const isRedirect = status >= 300 && status < 400;
  if (isRedirect && valuesOf(message, 'location').length === 0) throw unreadable('it redirects to nowhere');
  const headers: RtspHeader[] = [];
  for (const { name, value } of message.headers) {
    const passed = await judged(name.toLowerCase(), value, { ...options, isRedirect });
    if (passed !== null) headers.push({ name, value: passed });
  }
  return { ...message, headers };
}

/** The value to pass on; `null` leaves the header out. */
async function judged(
  name: string,
  value: string,
  { serverIp, redirect, isRedirect }: RtspGuardOptions & { readonly isRedirect: boolean },
): Promise<string | null> {
  if (name === 'location') return isRedirect ? redirect(value) : null;
  if (name !== 'transport') return value;
  if (/multicast/i.test(value)) throw refused('The source answers with multicast, which is opened as udp: alone.');
  return value
    .split(',')
    .map((transport) => `${transport.replace(/;\s*(source|destination)\s*=[^;]*/gi, '')};source=${serverIp}`)
    .join(',');
}
