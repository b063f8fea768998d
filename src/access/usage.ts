/** What one key has taken of what it may. In memory: a restart of the server begins anew. */
import { Readable } from 'node:stream';
import type { KeyLimits } from '../domain.ts';
import { AppError } from '../errors.ts';
import { Places, TokenBucket } from '../flow/index.ts';

const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86_400;

export class Usage {
  readonly #maxOpenStreams: number;
  readonly #requests: TokenBucket;
  readonly #uploadBytes: TokenBucket;
  readonly #uploads: Places;
  readonly #subscriptions: Places;
  readonly #connections: Places;
  /** As many as the uploads: all keys share those that the server has. */
  readonly #exports: Places;
  /** Streams that are being opened and may or may not be in the database yet. */
  readonly #opening = new Set<Promise<unknown>>();

  constructor(limits: KeyLimits) {
    const bounded = boundsOf(limits);
    this.#maxOpenStreams = bounded.openStreams;
    this.#requests = new TokenBucket({ capacity: bounded.requestsPerMinute, refillSeconds: MINUTE_SECONDS });
    this.#uploadBytes = new TokenBucket({ capacity: bounded.uploadBytesPerDay, refillSeconds: DAY_SECONDS });
    this.#uploads = new Places(bounded.uploadsInFlight, () =>
      exceeded(
        `${bounded.uploadsInFlight} uploads of the key are under way and that is its limit; wait for one to end.`,
      ),
    );
    this.#subscriptions = new Places(bounded.subscriptions, () =>
      exceeded(`The key has ${bounded.subscriptions} subscriptions and that is its limit; end one, then try again.`),
    );
    this.#connections = new Places(bounded.subscriptions, () =>
      exceeded(`The key has ${bounded.subscriptions} WebSockets open and that is its limit; close one first.`),
    );
    this.#exports = new Places(bounded.uploadsInFlight, () =>
      exceeded(
        `${bounded.uploadsInFlight} exports of the key are under way and that is its limit; wait for one to end.`,
      ),
    );
  }

  /**
   * Counts a WebSocket until it is disposed of: as many as subscriptions, because more are of no use and all keys share those
   * that the server has. Errors: LIMIT_EXCEEDED.
   */
  connecting(): Disposable {
    return this.#connections.take();
  }

  /** Counts a request, or what is worth `count` of them. Errors: LIMIT_EXCEEDED. */
  request(count = 1): void {
    const wait = this.#requests.take(count);
    if (wait === Number.POSITIVE_INFINITY) {
      throw exceeded('It counts as more requests than the key may make in a minute; spread it over several.');
    }
    if (wait > 0) throw exceeded('The key has no requests left in this minute', wait);
  }

  /** Counts an export until it is disposed of. Errors: LIMIT_EXCEEDED. */
  exporting(): Disposable {
    return this.#exports.take();
  }

  /** Counts a subscription until it is disposed of. Errors: LIMIT_EXCEEDED. */
  subscribing(): Disposable {
    return this.#subscriptions.take();
  }

  /**
   * Runs `open`, which makes a stream, where one more may be open; `count` tells how many are. Of several at once each
   * counts those that came before it, so that they cannot pass the limit together; where that is too many it waits for
   * them, because `count` may have told of them too. Errors: LIMIT_EXCEEDED, those of both.
   */
  async opening<T>(count: () => Promise<number>, open: () => Promise<T>): Promise<T> {
    if (this.#maxOpenStreams === Number.POSITIVE_INFINITY) return open();
    const before = [...this.#opening];
    const opened = this.#openWithin(before, count, open);
    this.#opening.add(opened);
    try {
      return await opened;
    } finally {
      this.#opening.delete(opened);
    }
  }

  async #openWithin<T>(
    before: readonly Promise<unknown>[],
    count: () => Promise<number>,
    open: () => Promise<T>,
  ): Promise<T> {
    const most = this.#maxOpenStreams - 1;
    if ((await count()) + before.length > most) {
      await Promise.allSettled(before);
      if ((await count()) > most) {
        throw exceeded(
          `The key has ${this.#maxOpenStreams} streams open and that is its limit; stop one, or wait for one to end.`,
        );
      }
    }
    return open();
  }

  /**
   * Runs `receive` over the bytes of an upload, counted. Errors: LIMIT_EXCEEDED (by `announcedBytes` before anything is
   * read), those of `receive`.
   */
  async receiving<T>(
    { source, announcedBytes = 0 }: { readonly source: AsyncIterable<Uint8Array>; readonly announcedBytes?: number },
    receive: (counted: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    using _place = this.#uploads.take();
    const wait = this.#uploadBytes.waitSeconds(announcedBytes);
    if (wait > 0) throw bytesExceeded(wait);
    const counted = new CountedBytes(source, this.#uploadBytes);
    try {
      return await receive(counted.bytes());
    } catch (thrown) {
      // Whoever reads takes a source that throws for a sender that went away.
      throw counted.refusal ?? thrown;
    }
  }
}

class CountedBytes {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #bucket: TokenBucket;
  /** Why it ended early. */
  refusal: AppError | null = null;

  constructor(source: AsyncIterable<Uint8Array>, bucket: TokenBucket) {
    this.#source = source;
    this.#bucket = bucket;
  }

  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    const source = this.#source;
    // Destroying a request would cut the connection before its sender has been told what is wrong.
    const chunks = source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source;
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
      const wait = this.#bucket.take(chunk.byteLength);
      if (wait > 0) {
        this.refusal = bytesExceeded(wait);
        throw this.refusal;
      }
      yield chunk;
    }
  }
}

/** 0 stands for no limit. */
function boundsOf(limits: KeyLimits): KeyLimits {
  const entries = Object.entries(limits).map(([name, limit]) => [name, limit === 0 ? Number.POSITIVE_INFINITY : limit]);
  return Object.fromEntries(entries) as unknown as KeyLimits;
}

function bytesExceeded(waitSeconds: number): AppError {
  if (waitSeconds === Number.POSITIVE_INFINITY) {
    return new AppError('UPLOAD_TOO_LARGE', 'The upload has more bytes than the key may send in a day.');
  }
  return exceeded('The key has sent as many bytes as it may in a day', waitSeconds);
}

/** With `waitSeconds` the message is the beginning of a sentence that says when to try again. */
function exceeded(message: string, waitSeconds?: number): AppError {
  if (waitSeconds === undefined) return new AppError('LIMIT_EXCEEDED', message);
  const retryAfterSeconds = Math.max(1, Math.ceil(waitSeconds));
  return new AppError('LIMIT_EXCEEDED', `${message}; try again in ${retryAfterSeconds} s.`, { retryAfterSeconds });
}
