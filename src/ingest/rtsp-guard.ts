/**
 * Reads what an RTSP server answers, between it and ffmpeg. ffmpeg follows its redirects to any address, and sends and
 * listens wherever the answer to SETUP says; here redirects go through the policy, and media come from and reports go
 * to the server's own address. All else passes unchanged, but for the spelling of the headers.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { AppError, toAppError } from '../errors.ts';
import { refused } from './address-syntax.ts';

export interface RtspGuardOptions {
  /** The server's pinned address. */
  readonly serverIp: string;
  /** Makes the address to go to instead of one that a redirect names. Throws what keeps it from being opened. */
  readonly redirect: (location: string) => Promise<string>;
}

const MAX_HEAD_BYTES = 64 * 1024;
const MAX_BODY_BYTES = 1024 * 1024;
const INTERLEAVED = 0x24;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const STATUS_LINE = /^RTSP\/1\.\d (\d{3})( .*)?$/;
const REQUEST_LINE = /^[A-Z_]+ \S+ RTSP\/1\.\d$/;
const HEADER = /^([A-Za-z0-9-]+)[ \t]*:[ \t]*(.*)$/;

export class RtspGuard extends Transform {
  readonly #options: RtspGuardOptions;
  #pending: Buffer = Buffer.alloc(0);

  constructor(options: RtspGuardOptions) {
    super();
    this.#options = options;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#passAll().then(
      () => done(),
      (thrown: unknown) => done(toAppError(thrown)),
    );
  }

  /** Passes on what is complete and keeps the rest. */
  async #passAll(): Promise<void> {
    for (;;) {
      const bytes = this.#pending[0] === INTERLEAVED ? this.#passPacket() : await this.#passMessage();
      if (bytes === 0) return;
      this.#pending = this.#pending.subarray(bytes);
    }
  }

  /** A media packet, unread. Returns its size, 0 while it is not complete. */
  #passPacket(): number {
    const bytes = this.#pending.length < 4 ? Number.POSITIVE_INFINITY : 4 + this.#pending.readUInt16BE(2);
    if (bytes > this.#pending.length) return 0;
    this.push(this.#pending.subarray(0, bytes));
    return bytes;
  }

  /** An answer, or a request of the server. Returns its size, 0 while it is not complete. */
  async #passMessage(): Promise<number> {
    const headBytes = this.#headBytes();
    if (headBytes === 0) return 0;
    const head = parseHead(this.#pending.toString('latin1', 0, headBytes));
    // Empty lines between messages mean nothing.
    if (head === null) return headBytes;
    const bytes = headBytes + head.bodyBytes;
    if (bytes > this.#pending.length) return 0;
    const lines = [head.firstLine];
    for (const { name, value } of head.headers) {
      const passed = await this.#judgedHeader(head, name.toLowerCase(), value);
      if (passed !== null) lines.push(`${name}: ${passed}`);
    }
    this.push(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
    if (head.bodyBytes > 0) this.push(this.#pending.subarray(headBytes, bytes));
    return bytes;
  }

  /** Up to and with the empty line, as ffmpeg finds it: it skips carriage returns. 0 while there is none. */
  #headBytes(): number {
    for (let lineStart = 0; ; ) {
      const lineEnd = this.#pending.indexOf(LINE_FEED, lineStart);
      if (lineEnd < 0) break;
      if (this.#pending.subarray(lineStart, lineEnd).every((byte) => byte === CARRIAGE_RETURN)) return lineEnd + 1;
      lineStart = lineEnd + 1;
    }
    if (this.#pending.length > MAX_HEAD_BYTES) throw unreadable('its headers do not end');
    return 0;
  }

  /** The value to pass on; `null` leaves the header out. */
  async #judgedHeader({ isRedirect }: Head, name: string, value: string): Promise<string | null> {
    if (name === 'location') return isRedirect ? this.#options.redirect(value) : null;
    if (name !== 'transport') return value;
    if (/multicast/i.test(value)) throw refused('The source answers with multicast, which is opened as udp: alone.');
    const { serverIp } = this.#options;
    return value
      .split(',')
      .map((transport) => `${transport.replace(/;\s*(source|destination)\s*=[^;]*/gi, '')};source=${serverIp}`)
      .join(',');
  }
}

interface Head {
  readonly firstLine: string;
  readonly isRedirect: boolean;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly bodyBytes: number;
}

/** `null` for nothing but empty lines. */
function parseHead(text: string): Head | null {
  const lines = text.replaceAll('\r', '').split('\n');
  const [firstLine, ...rest] = lines.filter((line) => line !== '');
  if (firstLine === undefined) return null;
  const status = STATUS_LINE.exec(firstLine)?.[1];
  if (status === undefined && !REQUEST_LINE.test(firstLine)) throw unreadable('it is no RTSP');
  const headers = rest.map((line) => {
    const [, name, value] = HEADER.exec(line) ?? [];
    // Among them a line that begins with $, which ffmpeg would take for a media packet.
    if (name === undefined || value === undefined) throw unreadable('a line of it is no header');
    return { name, value };
  });
  const lengths = headers.filter(({ name }) => name.toLowerCase() === 'content-length');
  const bodyBytes = Number(lengths[0]?.value ?? 0);
  const isLength = lengths.length <= 1 && Number.isInteger(bodyBytes) && bodyBytes >= 0 && bodyBytes <= MAX_BODY_BYTES;
  if (!isLength) throw unreadable('its length is unclear or too large');
  const isRedirect = status?.startsWith('3') === true;
  if (isRedirect && !headers.some(({ name }) => name.toLowerCase() === 'location')) {
    throw unreadable('it redirects to nowhere');
  }
  return { firstLine, isRedirect, headers, bodyBytes };
}

function unreadable(why: string): AppError {
  return new AppError('SOURCE_UNREACHABLE', `The answer of the source cannot be read: ${why}.`);
}
