/**
 * Stands between ffmpeg and an HTTP source, on loopback, for one opened address. ffmpeg follows redirects, playlists and
 * names by itself and knows no policy; here each of its requests is judged, fetched and streamed on, and playlists are
 * rewritten so that what they point at comes back here.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError, toAppError } from '../errors.ts';
import type { PlaylistFacts } from './address-gate.ts';
import { refused } from './address-syntax.ts';
import { statusError } from './definite-error.ts';
import { type Fetched, resolveReference, Upstream, type UpstreamOptions, urlOf } from './http-upstream.ts';
import { listenOnLoopback } from './listen-on-loopback.ts';
import { aborted } from './media-process.ts';
import { lengthsOf, PLAYLIST_MARK, rewritePlaylist } from './playlist.ts';
import { HEAD_BYTES, kindOfHead } from './policy.ts';

export interface HttpRelayOptions extends UpstreamOptions {
  /** Longest wait for the next bytes of an answer. */
  readonly idleTimeoutMs: number;
}

/**
 * Stands for the source's own address in a path, so that what may be secret in it is not among ffmpeg's arguments, which
 * every user of the machine can read. No address is written so in base64url.
 */
const SOURCE = 'source';
const KEPT_CONNECTION_MS = 60_000;
/** ffmpeg opens all variants of a playlist at once, each with a segment. */
const MAX_REQUESTS = 32;
/** Some 12 hours of two-second segments. */
const MAX_PLAYLIST_BYTES = 4 * 1024 * 1024;
/** Those of a segment of sound have some hundred bytes. */
const MAX_TAG_BYTES = 256 * 1024;
/** ffmpeg's way to find where a file ends. */
const RANGE_BEYOND_END = 416;
const ID3_MARK = Buffer.from('ID3');
const ID3_HEADER_BYTES = 10;
const ID3_HAS_FOOTER = 0x10;
const SEGMENT_ENDINGS: ReadonlySet<string> = new Set([
  ...['m3u8', 'ts', 'mp4', 'm4s', 'm4v', 'm4a', 'cmfv', 'cmfa', 'aac', 'mp3', 'ac3', 'eac3', 'vtt', 'webvtt'],
]);
/** Of the answer's headers ffmpeg needs to know what and how much it is, and whether it can jump in it. */
const PASSED_HEADERS = ['content-type', 'content-length', 'content-range', 'accept-ranges'] as const;

export class HttpRelay implements AsyncDisposable {
  readonly inputUrl: string;
  readonly proxyUrl: string;
  readonly #options: HttpRelayOptions;
  readonly #server: Server;
  readonly #upstream: Upstream;
  /** First part of every path: without it a request of some other program on this machine gets nothing. */
  readonly #token = randomBytes(16).toString('base64url');
  /** What is under way, each with what breaks it off. */
  readonly #answering = new Map<Promise<void>, AbortController>();
  #refusal: AppError | undefined;
  #problem: AppError | undefined;
  #brokeOff = false;
  #playlist: PlaylistFacts | undefined;
  #lastFailed = '';
  #closed: Promise<void> | null = null;

  private constructor(server: Server, options: HttpRelayOptions) {
    this.#server = server;
    this.#options = options;
    this.#upstream = new Upstream(options);
    const { port } = server.address() as AddressInfo;
    this.proxyUrl = `http://127.0.0.1:${port}`;
    this.inputUrl = `${this.proxyUrl}/${this.#token}/${SOURCE}/media`;
    // Between two looks at a live playlist ffmpeg keeps its connection.
    server.keepAliveTimeout = KEPT_CONNECTION_MS;
    server.on('request', (request, response) => {
      const leaving = new AbortController();
      response.once('close', () => leaving.abort());
      const answering = this.#answer(request, response, leaving.signal).finally(() =>
        this.#answering.delete(answering),
      );
      this.#answering.set(answering, leaving);
    });
  }

  /** Errors: OVERLOADED when the system has no port or descriptor left. */
  static async open(options: HttpRelayOptions): Promise<HttpRelay> {
    const server = createServer();
    await listenOnLoopback(server);
    return new HttpRelay(server, options);
  }

  /** What was refused first, if anything was. */
  get refusal(): AppError | undefined {
    return this.#refusal;
  }

  /** Whether the source broke off in the middle of its own body; a playlist's segments, each for itself, do not count. */
  get brokeOff(): boolean {
    return this.#brokeOff;
  }

  /** Why the last thing that did not come was not there; what ffmpeg no longer wanted does not count. */
  get problem(): AppError | undefined {
    return this.#problem;
  }

  get playlist(): PlaylistFacts | undefined {
    return this.#playlist;
  }

  async #answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    try {
      const url = this.#targetOf(request);
      if (url === null) return void response.writeHead(404).end();
      if (this.#answering.size >= MAX_REQUESTS) return void response.writeHead(503).end();
      const fetched = await this.#upstream.get(url, rangeOf(request), signal);
      const status = fetched.response.statusCode ?? 0;
      await this.#pass(fetched, response, signal);
      if (isOfSource(request) && status >= 400 && status !== RANGE_BEYOND_END) {
        this.#problem = statusError(status, fetched);
      }
      this.#noteSegment(request, status >= 400);
    } catch (thrown) {
      const error = toAppError(thrown);
      if (!signal.aborted) {
        if (error.code === 'SOURCE_UNREACHABLE') this.#problem = error;
        this.#noteSegment(request, true);
      }
      const isRefused = error.code === 'ADDRESS_REFUSED' || error.code === 'BAD_INPUT';
      if (isRefused) this.#refusal ??= refused(error.message);
      // In the middle of a body only a broken connection tells that it is not complete.
      if (response.headersSent) {
        if (!signal.aborted && isOfSource(request)) this.#brokeOff = true;
        response.destroy();
      } else response.writeHead(isRefused ? 403 : 502).end();
    }
  }

  /** A list that is looked at again is no segment. ffmpeg asks some times for one that does not come. */
  #noteSegment(request: IncomingMessage, failed: boolean): void {
    const path = pathOf(request);
    if (this.#playlist === undefined || isOfSource(request) || path.endsWith('.m3u8')) return;
    const isNew = failed && path !== this.#lastFailed;
    if (isNew) this.#lastFailed = path;
    const segmentsFailed = this.#playlist.segmentsFailed + (isNew ? 1 : 0);
    this.#playlist = { ...this.#playlist, segmentsFailed, lastFailed: failed };
  }

  #noteList(rewritten: string): void {
    const { targetSeconds, hasEnded } = lengthsOf(rewritten);
    const before = this.#playlist ?? { targetSeconds: 0, hasEnded: false, segmentsFailed: 0, lastFailed: false };
    this.#playlist = {
      ...before,
      targetSeconds: Math.max(before.targetSeconds, targetSeconds),
      hasEnded: before.hasEnded || hasEnded,
    };
  }

  async #pass({ response: source, url }: Fetched, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const leave = (): void => void source.destroy();
    signal.addEventListener('abort', leave, { once: true });
    try {
      const { statusCode = 502, headers } = source;
      if (statusCode !== 200 && statusCode !== 206) {
        response.writeHead(statusCode >= 400 && statusCode < 600 ? statusCode : 502).end();
        return;
      }
      if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
        throw new AppError('SOURCE_UNREACHABLE', 'The source compresses its answer although it was not asked to.');
      }
      const chunks = this.#chunksOf(source, signal);
      const { head, tagBytes } = await readHead(chunks);
      if (tagBytes > 0 && kindOfHead(head.subarray(tagBytes)) === 'POINTER') {
        throw refused('The source is a list of other addresses behind a tag (ID3), which is not taken.');
      }
      if (isPlaylist(head)) {
        const text = await readAll(head, chunks);
        const body = rewritePlaylist(text, (uri) => {
          const target = resolveReference(uri, url);
          return this.#pathTo(target, segmentName(target));
        });
        this.#noteList(body);
        response.writeHead(200, {
          'content-type': 'application/vnd.apple.mpegurl',
          'content-length': Buffer.byteLength(body),
        });
        response.end(body);
        return;
      }
      if (kindOfHead(head) === 'POINTER') {
        throw refused('The source is a list of other addresses, of a kind not taken.');
      }
      const passed = PASSED_HEADERS.filter((name) => headers[name] !== undefined);
      response.writeHead(statusCode, Object.fromEntries(passed.map((name) => [name, headers[name]])));
      await write(response, head, signal);
      for await (const chunk of chunks) await write(response, chunk, signal);
      response.end();
    } finally {
      signal.removeEventListener('abort', leave);
      source.destroy();
    }
  }

  /** Errors: SOURCE_UNREACHABLE when it breaks off or is silent for too long, ABORTED. */
  async *#chunksOf(source: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const { idleTimeoutMs } = this.#options;
    const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    for (;;) {
      // Runs only while bytes are waited for: a reader that is slow does not make the source idle.
      const timer = setTimeout(() => source.destroy(new Error('silent')), idleTimeoutMs);
      const { done, value } = await chunks
        .next()
        .catch((cause: unknown) => {
          if (signal.aborted) throw aborted(signal);
          throw new AppError('SOURCE_UNREACHABLE', 'The source broke off or fell silent.', { cause });
        })
        .finally(() => clearTimeout(timer));
      if (done === true) return;
      yield value;
    }
  }

  /** The path under which `url` is fetched. */
  #pathTo(url: string, name: string): string {
    return `/${this.#token}/${Buffer.from(url).toString('base64url')}/${name}`;
  }

  /** `null` for what no path of ours is. */
  #targetOf(request: IncomingMessage): string | null {
    const { method } = request;
    const [, token, target = ''] = pathOf(request).split('/');
    if (method !== 'GET' || token !== this.#token) return null;
    return target === SOURCE ? urlOf(this.#options.source) : Buffer.from(target, 'base64url').toString();
  }

  /** Breaks off what is under way and resolves when no connection is left. A second call waits for the first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    const answering = [...this.#answering];
    for (const [, leaving] of answering) leaving.abort(new AppError('ABORTED', 'The address was closed.'));
    this.#server.closeAllConnections();
    await closed;
    await Promise.allSettled(answering.map(([done]) => done));
  }
}

/**
 * What a segment, key or variant is called here. By its ending alone ffmpeg (5.1.9, and from 7.1.1 on) decides whether it
 * opens it, before it looks inside; `ts` is the one that it takes for MPEG-TS, MP4 and AAC alike.
 */
function segmentName(url: string): string {
  const ending = /\.(\w+)(?:\?|$)/.exec(url)?.[1]?.toLowerCase();
  return `media.${ending !== undefined && SEGMENT_ENDINGS.has(ending) ? ending : 'ts'}`;
}

/**
 * ffmpeg asks for all of a file by a range from its start: that is a plain request. A playlist is fetched whole or not at
 * all, since a part of one would not be known for what it is.
 */
function rangeOf({ url = '', headers }: IncomingMessage): string | undefined {
  const { range } = headers;
  if (range === undefined || range === 'bytes=0-' || url.endsWith('.m3u8')) return undefined;
  return /^bytes=\d+-\d*$/.test(range) ? range : undefined;
}

/** Whether a request asks for the address itself, not for what a playlist points at. */
function isOfSource(request: IncomingMessage): boolean {
  return pathOf(request).split('/')[2] === SOURCE;
}

/**
 * ffmpeg takes the relay for its proxy too, and writes whole addresses: what it opens by itself, past every rewriting, ends
 * here as well, as no path of ours.
 */
function pathOf({ url = '', socket }: IncomingMessage): string {
  const origin = `http://127.0.0.1:${socket.localPort}`;
  return url.startsWith(`${origin}/`) ? url.slice(origin.length) : url;
}

function isPlaylist(head: Buffer): boolean {
  return head
    .subarray(0, HEAD_BYTES)
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .startsWith(PLAYLIST_MARK);
}

async function readAtLeast(chunks: AsyncIterator<Buffer>, bytes: number): Promise<Buffer> {
  const read: Buffer[] = [];
  for (let count = 0; count < bytes; ) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    read.push(value);
    count += value.byteLength;
  }
  return Buffer.concat(read);
}

async function readAll(head: Buffer, chunks: AsyncIterable<Buffer>): Promise<string> {
  const read = [head];
  let bytes = head.byteLength;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > MAX_PLAYLIST_BYTES) throw refused(`The playlist has more than ${MAX_PLAYLIST_BYTES} bytes.`);
    read.push(chunk);
  }
  return Buffer.concat(read)
    .toString()
    .replace(/^\ufeff/, '');
}

/**
 * The beginning of a body, with {@link HEAD_BYTES} behind the ID3 tags that it may begin with: ffmpeg steps over them
 * before it looks what a body is. Errors: ADDRESS_REFUSED where they have more than MAX_TAG_BYTES.
 */
async function readHead(chunks: AsyncIterator<Buffer>): Promise<{ readonly head: Buffer; readonly tagBytes: number }> {
  let head = Buffer.alloc(0);
  for (let tagBytes = 0; ; ) {
    head = Buffer.concat([head, await readAtLeast(chunks, tagBytes + HEAD_BYTES - head.byteLength)]);
    const more = id3Bytes(head.subarray(tagBytes));
    if (more === 0) return { head, tagBytes };
    tagBytes += more;
    if (tagBytes > MAX_TAG_BYTES)
      throw refused(`The source begins with more than ${MAX_TAG_BYTES} bytes of tags (ID3).`);
  }
}

/** Bytes of the ID3v2 tag that these begin with, 0 where it is none: a header of ten, sizes of seven bits a byte. */
function id3Bytes(bytes: Buffer): number {
  if (bytes.byteLength < ID3_HEADER_BYTES || !bytes.subarray(0, 3).equals(ID3_MARK)) return 0;
  const [size, flags] = [bytes.subarray(6, ID3_HEADER_BYTES), bytes[5]!];
  if (bytes[3] === 0xff || bytes[4] === 0xff || size.some((byte) => byte >= 0x80)) return 0;
  const footer = (flags & ID3_HAS_FOOTER) === 0 ? 0 : ID3_HEADER_BYTES;
  return ID3_HEADER_BYTES + size.reduce((sum, byte) => sum * 128 + byte, 0) + footer;
}

/** Resolves when there is room for more. */
async function write(response: ServerResponse, chunk: Buffer, signal: AbortSignal): Promise<void> {
  if (chunk.byteLength > 0 && !response.write(chunk)) await once(response, 'drain', { signal });
}
