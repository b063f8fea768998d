/**
 * Stands between ffmpeg and a server of RTSP, RTSPS or RTMPS, on loopback, for one opened address. It connects to the
 * pinned address alone, speaks TLS with a certificate that is checked against the name (ffmpeg 5.1 checks none for
 * RTSPS, and could not, knowing only the address), judges RTSP answers by {@link guarded}, and logs in by {@link RtspLogin}.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { PassThrough, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as connectTls } from 'node:tls';
import { AppError, toAppError } from '../errors.ts';
import { ClosingStack } from '../flow/index.ts';
import type { OpenedAddress } from './address-gate.ts';
import { type ParsedAddress, refused } from './address-syntax.ts';
import { statusError } from './definite-error.ts';
import { notReached } from './http-upstream.ts';
import { listenOnLoopback } from './listen-on-loopback.ts';
import { guarded } from './rtsp-guard.ts';
import { RtspLogin } from './rtsp-login.ts';
import { RtspMessages } from './rtsp-messages.ts';

export interface SocketRelayOptions {
  readonly source: ParsedAddress;
  readonly sourceIp: string;
  readonly connectTimeoutMs: number;
  /** Opens what an RTSP redirect names, by the same policy. */
  readonly openRedirect: (location: string, signal: AbortSignal) => Promise<OpenedAddress>;
}

/** ffmpeg has one; a second while it tries again over TCP what UDP did not bring. */
const MAX_CONNECTIONS = 2;

export class SocketRelay implements AsyncDisposable {
  readonly inputUrl: string;
  readonly #options: SocketRelayOptions;
  readonly #server: Server;
  readonly #closing = new AbortController();
  readonly #serving = new Set<Promise<void>>();
  /** By their locations: a server that is asked again redirects again. */
  readonly #redirects = new Map<string, OpenedAddress>();
  readonly #owned = new ClosingStack();
  #refusal: AppError | undefined;
  #problem: AppError | undefined;
  #closed: Promise<void> | null = null;

  private constructor(server: Server, options: SocketRelayOptions) {
    this.#server = server;
    this.#options = options;
    const { kind, userInfo, path, query } = options.source;
    const { port } = server.address() as AddressInfo;
    // RTMP has several ways to log in, which are ffmpeg's business.
    const login = kind === 'RTSP' ? '' : userInfo;
    this.inputUrl = `${kind.toLowerCase()}://${login}127.0.0.1:${port}${path}${query}`;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (client) => {
      const serving = this.#serve(client).finally(() => this.#serving.delete(serving));
      this.#serving.add(serving);
    });
  }

  /** Connects only when ffmpeg does. Errors: OVERLOADED when the system has no port or descriptor left. */
  static async open(options: SocketRelayOptions): Promise<SocketRelay> {
    const server = createServer();
    await listenOnLoopback(server);
    return new SocketRelay(server, options);
  }

  /** What was refused first, here or behind a redirect. */
  get refusal(): AppError | undefined {
    if (this.#refusal !== undefined) return this.#refusal;
    return Array.from(this.#redirects.values(), ({ refusal }) => refusal).find((refusal) => refusal !== undefined);
  }

  /** Why the last connection came to nothing, as far as it shows here or behind a redirect. */
  get problem(): AppError | undefined {
    if (this.#problem !== undefined) return this.#problem;
    return Array.from(this.#redirects.values(), ({ problem }) => problem).find((problem) => problem !== undefined);
  }

  /** Passes bytes both ways until one side ends; never rejects. */
  async #serve(client: Socket): Promise<void> {
    const { signal } = this.#closing;
    // Until the pipeline below listens, nobody does.
    client.on('error', () => {}).setNoDelay();
    let upstream: Socket | undefined;
    try {
      upstream = this.#connect();
      const ready = AbortSignal.any([signal, AbortSignal.timeout(this.#options.connectTimeoutMs)]);
      await once(upstream, this.#options.source.secure ? 'secureConnect' : 'connect', { signal: ready }).catch(
        (cause) => {
          throw signal.aborted ? cause : notReached(ready.aborted, cause);
        },
      );
      const ended = new AbortController();
      const either = AbortSignal.any([signal, ended.signal]);
      const { requests, answers } = this.#between();
      await Promise.all([
        pipeline(client, requests, upstream, { signal: either }).finally(() => ended.abort()),
        pipeline(upstream, answers, client, { signal: either }).finally(() => ended.abort()),
      ]);
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.code === 'ADDRESS_REFUSED' || error.code === 'BAD_INPUT') this.#refusal ??= refused(error.message);
      if (error.code === 'SOURCE_UNREACHABLE') this.#problem = error;
    } finally {
      client.destroy();
      upstream?.destroy();
    }
  }

  #connect(): Socket {
    const { source, sourceIp } = this.#options;
    const target = { host: sourceIp, port: source.port };
    const { host } = source;
    const socket = source.secure
      ? connectTls({ ...target, ...(host.kind === 'NAME' ? { servername: host.name } : {}) })
      : connect(target);
    return socket.on('error', () => {}).setNoDelay();
  }

  /** What stands in the two ways of a connection. */
  #between(): { readonly requests: Transform; readonly answers: Transform } {
    const { source, sourceIp } = this.#options;
    if (source.kind !== 'RTSP') return { requests: new PassThrough(), answers: new PassThrough() };
    const guard = { serverIp: sourceIp, redirect: (location: string) => this.#redirect(location) };
    const login = source.credentials === null ? null : new RtspLogin(source.credentials);
    if (login === null) return { requests: new PassThrough(), answers: new RtspMessages((one) => guarded(one, guard)) };
    const requests = new RtspMessages(async (message) => login.outgoing(message));
    const answers = new RtspMessages(async (message) => {
      const next = login.incoming(message);
      if ('pass' in next) {
        if (login.refused) this.#problem = statusError(401, { loginSent: true });
        return guarded(next.pass, guard);
      }
      requests.insert(next.send);
      return null;
    });
    return { requests, answers };
  }

  async #redirect(location: string): Promise<string> {
    const known = this.#redirects.get(location);
    if (known !== undefined) return known.inputUrl;
    if (this.#redirects.size > 0)
      throw new AppError('SOURCE_UNREACHABLE', 'The source redirects to ever new addresses.');
    const target = this.#owned.own(await this.#options.openRedirect(location, this.#closing.signal));
    if (target.kind !== 'RTSP') throw refused('An RTSP source redirects to another protocol, which is not followed.');
    this.#redirects.set(location, target);
    return target.inputUrl;
  }

  /** Ends every connection and resolves when none is left. A second call waits for the first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new AppError('ABORTED', 'The address was closed.'));
    const closed = new Promise((resolve) => this.#server.close(resolve));
    await Promise.allSettled(this.#serving);
    await closed;
    await this.#owned[Symbol.asyncDispose]();
  }
}
