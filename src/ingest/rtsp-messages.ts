/** RTSP on one side of a connection: messages one by one, media packets between them. */
import { Transform, type TransformCallback } from 'node:stream';
import { AppError, toAppError } from '../errors.ts';

export interface RtspMessage {
  /** A request's or an answer's, without its end. */
  readonly firstLine: string;
  readonly headers: readonly RtspHeader[];
  readonly body: Buffer;
}

export interface RtspHeader {
  readonly name: string;
  readonly value: string;
}

const MAX_HEAD_BYTES = 64 * 1024;
const MAX_BODY_BYTES = 1024 * 1024;
const INTERLEAVED = 0x24;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const STATUS_LINE = /^RTSP\/1\.\d (\d{3})( .*)?$/;
const REQUEST_LINE = /^([A-Z_]+) (\S+) RTSP\/1\.\d$/;
const HEADER = /^([A-Za-z0-9-]+)[ \t]*:[ \t]*(.*)$/;

/** The status of an answer; `null` for a request. */
export function statusOf({ firstLine }: RtspMessage): number | null {
  const status = STATUS_LINE.exec(firstLine)?.[1];
  return status === undefined ? null : Number(status);
}

/** What a request asks for; `null` for an answer. */
export function requestOf({ firstLine }: RtspMessage): { readonly method: string; readonly uri: string } | null {
  const [, method, uri] = REQUEST_LINE.exec(firstLine) ?? [];
  return method === undefined || uri === undefined ? null : { method, uri };
}

/** The values of a header, whatever the case of its name; in their order. */
export function valuesOf({ headers }: RtspMessage, name: string): readonly string[] {
  return headers.filter((header) => header.name.toLowerCase() === name).map(({ value }) => value);
}

/** The message with one header of this name, at its place or at the end. */
export function withHeader(message: RtspMessage, name: string, value: string): RtspMessage {
  const isIt = (header: RtspHeader): boolean => header.name.toLowerCase() === name.toLowerCase();
  const at = message.headers.findIndex(isIt);
  if (at < 0) return { ...message, headers: [...message.headers, { name, value }] };
  const others = message.headers.filter((header, index) => index === at || !isIt(header));
  return { ...message, headers: others.map((header) => (isIt(header) ? { name: header.name, value } : header)) };
}

/**
 * Hands each message to `pass`, in order, and writes what comes back: the spelling of heads changes, bodies and media
 * packets do not. Errors: SOURCE_UNREACHABLE for what is no RTSP, and what `pass` throws.
 */
export class RtspMessages extends Transform {
  readonly #pass: (message: RtspMessage) => Promise<RtspMessage | null>;
  #pending: Buffer = Buffer.alloc(0);

  /** `pass` gives the message that goes on, `null` for none. */
  constructor(pass: (message: RtspMessage) => Promise<RtspMessage | null>) {
    super();
    this.#pass = pass;
  }

  /** Writes a message between those that pass. Does nothing once the stream has ended. */
  insert(message: RtspMessage): void {
    if (!this.writableEnded && !this.destroyed) this.#write(message);
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

  /** Returns its size, 0 while it is not complete. */
  async #passMessage(): Promise<number> {
    const headBytes = this.#headBytes();
    if (headBytes === 0) return 0;
    const head = parseHead(this.#pending.toString('latin1', 0, headBytes));
    // Empty lines between messages mean nothing.
    if (head === null) return headBytes;
    const { bodyBytes, ...message } = head;
    const bytes = headBytes + bodyBytes;
    if (bytes > this.#pending.length) return 0;
    const passed = await this.#pass({ ...message, body: this.#pending.subarray(headBytes, bytes) });
    if (passed !== null) this.#write(passed);
    return bytes;
  }

  #write({ firstLine, headers, body }: RtspMessage): void {
    const lines = [firstLine, ...headers.map(({ name, value }) => `${name}: ${value}`)];
    this.push(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
    if (body.length > 0) this.push(body);
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
}

/** `null` for nothing but empty lines. */
function parseHead(text: string): (Omit<RtspMessage, 'body'> & { readonly bodyBytes: number }) | null {
  const lines = text.replaceAll('\r', '').split('\n');
  const [firstLine, ...rest] = lines.filter((line) => line !== '');
  if (firstLine === undefined) return null;
  if (!STATUS_LINE.test(firstLine) && !REQUEST_LINE.test(firstLine)) throw unreadable('it is no RTSP');
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
  return { firstLine, headers, bodyBytes };
}

export function unreadable(why: string): AppError {
  return new AppError('SOURCE_UNREACHABLE', `The answer of the source cannot be read: ${why}.`);
}
