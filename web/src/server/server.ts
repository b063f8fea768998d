import { type Client, createClient } from 'graphql-ws';
import type { TypedDocumentString } from '../generated/graphql.ts';
import { Failure, failureOf, lostConnection } from './failure.ts';
import { Patience } from './patience.ts';
import { requestBody } from './request-body.ts';

/** How a WebSocket is closed that comes without a key, or with one that is wrong or revoked. */
const FORBIDDEN = 4403;

/** A connection that answers no ping within this time is dead, which no browser tells: a cable was pulled. */
const PONG_MS = 10_000;
const PING_MS = 10_000;

export interface ServerOptions {
  /** Where the server is, without a path. */
  readonly origin: string;
  /** Empty where none was given. Stays in memory. */
  readonly key: string;
}

interface Asking {
  readonly signal?: AbortSignal;
  /** The request goes out even while the tab is closing. */
  readonly keepalive?: boolean;
}

interface Sending {
  readonly signal: AbortSignal;
  /** Told the share that has gone out, 0 to 1. */
  readonly tell: (share: number) => void;
}

interface Following<Item> {
  readonly signal: AbortSignal;
  /** Told before each wait for a lost connection. */
  readonly tell: (failure: Failure, waitSeconds: number) => void;
  readonly take: (item: Item) => void;
  /** Done before each connection; where it fails, so has the connection. */
  readonly before?: () => Promise<void>;
}

/**
 * The server that this page came from. Every function throws a Failure, or the reason of its `signal`. Ends its
 * connection with `close`.
 */
export class Server {
  readonly #origin: string;
  readonly #authorization: Readonly<Record<string, string>>;
  readonly #socket: Client;

  constructor({ origin, key }: ServerOptions) {
    this.#origin = origin;
    this.#authorization = key === '' ? {} : { authorization: `Bearer ${key}` };
    this.#socket = createClient({
      url: `${origin.replace(/^http/, 'ws')}/graphql`,
      connectionParams: this.#authorization,
      // Whoever follows comes back with his last cursor; the library would begin anew.
      retryAttempts: 0,
      keepAlive: PING_MS,
    });
    this.#watch();
  }

  get hasKey(): boolean {
    return this.#authorization.authorization !== undefined;
  }

  /** Asks once. */
  async ask<Answer, Variables extends object>(
    document: TypedDocumentString<Answer, Variables>,
    variables: Variables,
    { signal, keepalive = false }: Asking = {},
  ): Promise<Answer> {
    const { headers, body } = requestBody(document.toString(), variables as Record<string, unknown>);
    const answer = await this.#fetchJson('/graphql', {
      method: 'POST',
      headers: { ...headers, accept: 'application/json' },
      body,
      keepalive,
      ...(signal === undefined ? {} : { signal }),
    });
    const failure = failureOf(answer.errors);
    if (failure !== null) throw failure;
    return answer.data as Answer;
  }

  /** Sends a file of any size and gives the id that `analyzeVideo` takes. */
  upload(file: File, { signal, tell }: Sending): Promise<string> {
    // fetch tells nothing of what has gone out.
    const request = new XMLHttpRequest();
    const cut = () => request.abort();
    return new Promise<string>((resolve, reject) => {
      request.upload.onprogress = ({ loaded, total }) => tell(total === 0 ? 0 : loaded / total);
      request.onabort = () => reject(signal.reason);
      request.onerror = () => reject(lostConnection(null));
      request.onload = () => {
        const { id, error } = (request.response ?? {}) as {
          id?: string;
          error?: ConstructorParameters<typeof Failure>[0];
        };
        if (id === undefined) reject(new Failure(error ?? { message: `The upload failed: status ${request.status}.` }));
        else resolve(id);
      };
      request.open('PUT', `${this.#origin}/media`);
      request.responseType = 'json';
      for (const [name, value] of Object.entries(this.#authorization)) request.setRequestHeader(name, value);
      signal.addEventListener('abort', cut);
      if (signal.aborted) reject(signal.reason);
      else request.send(file);
    }).finally(() => signal.removeEventListener('abort', cut));
  }

  /** Where a stream's rows are read; with a key only by `rows`. */
  exportUrl(streamId: string, format: 'csv' | 'jsonl'): string {
    return `${this.#origin}/streams/${encodeURIComponent(streamId)}/export?format=${format}`;
  }

  /** A stream's rows, held by the browser. */
  async rows(streamId: string, format: 'csv' | 'jsonl'): Promise<Blob> {
    try {
      const response = await fetch(this.exportUrl(streamId, format), { headers: this.#authorization });
      if (response.ok) return await response.blob();
      const { error } = (await response.json()) as { error: ConstructorParameters<typeof Failure>[0] };
      throw new Failure(error);
    } catch (thrown) {
      throw thrown instanceof Failure ? thrown : lostConnection(thrown);
    }
  }

  /** Items of a subscription until it ends. A lost connection is a Failure that is retryable. */
  async *#items<Answer, Variables extends object>(
    document: TypedDocumentString<Answer, Variables>,
    variables: Variables,
    signal: AbortSignal,
  ): AsyncGenerator<Answer, void, undefined> {
    const results = this.#socket.iterate<Answer & Record<string, unknown>>({
      query: document.toString(),
      variables: variables as Record<string, unknown>,
    });
    const end = () => void results.return?.();
    signal.addEventListener('abort', end);
    try {
      signal.throwIfAborted();
      for await (const { data, errors } of results) {
        signal.throwIfAborted();
        const failure = failureOf(errors);
        if (failure !== null) throw failure;
        if (data) yield data as Answer;
      }
      signal.throwIfAborted();
    } catch (thrown) {
      signal.throwIfAborted();
      throw thrown instanceof Failure ? thrown : (failureOf(thrown) ?? closedSocket(thrown));
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  /**
   * Follows a subscription to its end, over lost connections: `variables` is asked anew for each, so that it can name the
   * last cursor.
   */
  async follow<Answer, Variables extends object>(
    document: TypedDocumentString<Answer, Variables>,
    variables: () => Variables,
    { signal, tell, take, before = async () => undefined }: Following<Answer>,
  ): Promise<void> {
    const patience = new Patience({ signal, tell });
    await patience.insist(async () => {
      await before();
      for await (const item of this.#items(document, variables(), signal)) {
        patience.calm();
        take(item);
      }
    });
  }

  #watch(): void {
    let late: ReturnType<typeof setTimeout> | undefined;
    const calm = () => clearTimeout(late);
    this.#socket.on('ping', (isReceived) => {
      calm();
      if (!isReceived) late = setTimeout(() => this.#socket.terminate(), PONG_MS);
    });
    this.#socket.on('pong', calm);
    this.#socket.on('closed', calm);
  }

  close(): void {
    void this.#socket.dispose();
  }

  async #fetchJson(path: string, init: RequestInit & { headers: Record<string, string> }): Promise<GraphqlAnswer> {
    try {
      const response = await fetch(`${this.#origin}${path}`, {
        ...init,
        headers: { ...init.headers, ...this.#authorization },
      });
      const answer = (await response.json()) as GraphqlAnswer & { error?: ConstructorParameters<typeof Failure>[0] };
      if (answer.error !== undefined) throw new Failure(answer.error);
      return answer;
    } catch (thrown) {
      init.signal?.throwIfAborted();
      throw thrown instanceof Failure ? thrown : lostConnection(thrown);
    }
  }
}

interface GraphqlAnswer {
  readonly data?: unknown;
  readonly errors?: unknown;
}

function closedSocket(thrown: unknown): Failure {
  const { code, reason } = thrown as { readonly code?: number; readonly reason?: string };
  if (code === FORBIDDEN) {
    return new Failure({ code: 'UNAUTHENTICATED', message: reason || 'The server asks for a key.' }, { cause: thrown });
  }
  return lostConnection(thrown);
}
