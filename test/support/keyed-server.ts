/** A whole server whose database has keys, and clients that come with one, over each transport. */
import { join } from 'node:path';
import { type Client, createClient } from 'graphql-ws';
import { pino } from 'pino';
import WebSocket from 'ws';
import { hashSecret, makeKey } from '../../src/access/index.ts';
import type { KeyLimits, KeyScope } from '../../src/domain.ts';
import { ClosingStack } from '../../src/flow/index.ts';
import type { Log } from '../../src/log.ts';
import { startServer } from '../../src/start-server.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { temporaryFolder, testConfig } from '../pipeline/support.ts';
import { multipartForm } from './server.ts';

export interface TestKey {
  readonly id: string;
  /** What its owner has. */
  readonly text: string;
}

/** Files of a multipart request by the path of the variable that each fills. */
export type TestFiles = Readonly<Record<string, { readonly name: string; readonly bytes: Uint8Array }>>;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests read answers of many shapes, and assert what they read.
  readonly body: any;
}

export const TRANSPORTS = ['HTTP', 'server-sent events', 'WebSocket'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface KeyClient {
  post(query: string, variables?: Record<string, unknown>, files?: TestFiles): Promise<HttpAnswer>;
  /** Any other request. */
  send(path: string, init?: RequestInit): Promise<HttpAnswer>;
  putMedia(bytes: Uint8Array): Promise<HttpAnswer>;
  /** The first result of an operation, as `{ data, errors }`; then it leaves. */
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  first(transport: Transport, query: string, variables?: Record<string, unknown>): Promise<any>;
  /** A graphql-transport-ws client that does not come back by itself. */
  client(): Client;
}

export interface KeyedServer extends AsyncDisposable {
  readonly url: string;
  readonly dataDir: string;
  /** The database, over a connection beside the server's own, as the command line has it. */
  readonly store: Store;
  makeKey(scopes: readonly KeyScope[], limits?: Partial<KeyLimits>): Promise<TestKey>;
  /** `null` comes without a key. */
  as(key: TestKey | null): KeyClient;
}

export async function openKeyedServer(
  settings: Record<string, string> = {},
  {
    log = pino({ level: 'silent' }),
    before = async () => undefined,
  }: {
    readonly log?: Log;
    readonly before?: (server: Pick<KeyedServer, 'store' | 'makeKey'>) => Promise<unknown>;
  } = {},
): Promise<KeyedServer> {
  const parts = new ClosingStack();
  const folder = parts.own(await temporaryFolder());
  const store = parts.own(await openStore({ databaseUrl: `file:${join(folder.path, 'circumplex.db')}` }));

  const newKey: KeyedServer['makeKey'] = async (scopes, limits = {}) => {
    const { id, secret, text } = makeKey();
    await store.createKey({
      id,
      name: 'a test',
      secretHash: hashSecret(secret),
      scopes,
      limits,
      createdAt: new Date(),
      revokedAt: null,
      lastUsedAt: null,
    });
    return { id, text };
  };
  await before({ store, makeKey: newKey });
  const server = parts.own(await startServer(testConfig(folder.path, { PORT: '0', ...settings }), { log }));
  // A server that listens on all addresses is reached by this one.
  const url = server.url.replace('0.0.0.0', '127.0.0.1');
  return {
    url,
    dataDir: folder.path,
    store,
    makeKey: newKey,
    as: (key) => clientOf(url, key),
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
}

function clientOf(url: string, key: TestKey | null): KeyClient {
  const authorization = key === null ? {} : { authorization: `Bearer ${key.text}` };

  const send: KeyClient['send'] = async (path, { headers, ...init } = {}) => {
    const response = await fetch(new URL(path, url), { ...init, headers: { ...authorization, ...headers } });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: jsonOf(text) };
  };

  const client = (): Client =>
    createClient({
      url: url.replace(/^http/, 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazy: true,
      connectionParams: authorization,
    });

  const post: KeyClient['post'] = (query, variables = {}, files) =>
    files === undefined
      ? send('/graphql', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query, variables }),
        })
      : send('/graphql', {
          method: 'POST',
          headers: { 'x-graphql-yoga-csrf': '1' },
          body: multipartForm(query, variables, files),
        });

  return {
    post,
    send,
    client,
    putMedia: (bytes) => send('/media', { method: 'PUT', body: new Uint8Array(bytes) }),
    async first(transport, query, variables = {}) {
      if (transport === 'HTTP') return statusAndBody(await post(query, variables));
      if (transport === 'WebSocket') return firstOverWebSocket(client(), query, variables);
      return firstEvent(await events(url, { headers: authorization, query, variables }));
    },
  };
}

export function statusAndBody({ status, body }: HttpAnswer): Record<string, unknown> {
  return { status, ...body };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function firstOverWebSocket(client: Client, query: string, variables: Record<string, unknown>): Promise<unknown> {
  const results = client.iterate({ query, variables });
  try {
    const { value } = await results.next();
    return value ?? null;
  } catch (thrown) {
    // What did not begin comes as an array of errors, a connection that was closed as its event.
    if (Array.isArray(thrown)) return { errors: JSON.parse(JSON.stringify(thrown)) };
    const { code, reason } = thrown as { readonly code: number; readonly reason: string };
    return { closed: [code, reason] };
  } finally {
    await results.return?.();
    await client.dispose();
  }
}

/** Opens server-sent events for an operation. */
export async function events(
  url: string,
  {
    headers,
    query,
    variables = {},
    signal,
  }: {
    readonly headers: Record<string, string>;
    readonly query: string;
    readonly variables?: Record<string, unknown>;
    readonly signal?: AbortSignal;
  },
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query, variables }),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The data of each event `next` of a response. */
export async function* eventData(response: Response): AsyncGenerator<unknown, void, undefined> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(chunk, { stream: true });
    const whole = rest.split('\n\n');
    rest = whole.pop() ?? '';
    for (const event of whole) {
      const data = /^event: next\ndata: (.*)$/m.exec(event)?.[1];
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}

async function firstEvent(response: Response): Promise<unknown> {
  for await (const data of eventData(response)) return data;
  return null;
}
