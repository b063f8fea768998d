/** Fetches over HTTP(S) for the relay: judged, pinned, and through redirects that are judged as well. */
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { AppError } from '../errors.ts';
import { MAX_ADDRESS_CHARACTERS, type ParsedAddress, refused, urlHost } from './address-syntax.ts';
import { type Authorize, answerTo } from './http-authorization.ts';
import { aborted } from './media-process.ts';
import type { AddressJudge } from './pin-host.ts';

export interface UpstreamOptions {
  readonly judge: AddressJudge;
  readonly source: ParsedAddress;
  /** Where the source's host was resolved to. */
  readonly sourceIp: string;
  readonly maxRedirects: number;
  /** Longest wait from the request to the head of its answer, the connection included. */
  readonly answerTimeoutMs: number;
}

export interface Fetched {
  readonly response: IncomingMessage;
  /** Where the answer came from, after redirects, without credentials: what relative addresses in it relate to. */
  readonly url: string;
  /** Whether credentials went with the request that it answers. */
  readonly loginSent: boolean;
}

/** Hosts whose address is remembered; a playlist that names more than that is not a playlist that people watch. */
const MAX_PINS = 64;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export class Upstream {
  readonly #options: UpstreamOptions;
  /** So that a host stays where it was judged; forgotten when it cannot be connected to, as a host may move. */
  readonly #pins = new Map<string, string>();
  /** How the source wants to be asked, once it has said so. */
  #authorize: Authorize | null = null;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    const { host } = options.source;
    if (host.kind === 'NAME') this.#pins.set(host.name, options.sourceIp);
  }

  /** Errors: BAD_INPUT and ADDRESS_REFUSED, also for what a redirect leads to, SOURCE_UNREACHABLE, ABORTED. */
  async get(url: string, range: string | undefined, signal: AbortSignal): Promise<Fetched> {
    const { judge, maxRedirects } = this.#options;
    for (let hops = 0, next = url; ; hops += 1) {
      const address = judge.parse(next);
      if (address.kind !== 'HTTP') throw refused(`An HTTP source leads to ${address.scheme}:, which is not followed.`);
      const { response, loginSent } = await this.#request(address, range, signal);
      const { location } = response.headers;
      const base = urlOf(address);
      if (location === undefined || !REDIRECTS.has(response.statusCode!)) {
        return { response, url: base, loginSent };
      }
      response.destroy();
      if (hops >= maxRedirects) {
        throw new AppError('SOURCE_UNREACHABLE', `The source redirects more than ${maxRedirects} times.`);
      }
      next = resolveReference(location, base);
    }
  }

  /** Answers a demand for credentials, with those of the address or, at the source's own origin, of the source. */
  async #request(
    address: ParsedAddress,
    range: string | undefined,
    signal: AbortSignal,
  ): Promise<Omit<Fetched, 'url'>> {
    const { source } = this.#options;
    const isOfSource = address.credentials === null && sameOrigin(address, source);
    const credentials = isOfSource ? source.credentials : address.credentials;
    const authorization = isOfSource ? this.#authorize?.('GET', pathOf(address)) : undefined;
    const response = await this.#send(address, { range, authorization }, signal);
    const challenge = response.headers['www-authenticate'];
    const first = { response, loginSent: authorization !== undefined };
    if (response.statusCode !== 401 || challenge === undefined || credentials === null) return first;
    const authorize = answerTo(challenge, credentials);
    if (authorize === null) return first;
    response.destroy();
    if (isOfSource) this.#authorize = authorize;
    const again = { range, authorization: authorize('GET', pathOf(address)) };
    return { response: await this.#send(address, again, signal), loginSent: true };
  }

  async #send(
    address: ParsedAddress,
    headers: Readonly<Record<'range' | 'authorization', string | undefined>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { host, port, secure } = address;
    const ip = await this.#pin(address, signal);
    if (signal.aborted) throw aborted(signal);
    const timeout = AbortSignal.timeout(this.#options.answerTimeoutMs);
    const given = Object.entries(headers).filter(([, value]) => value !== undefined);
    const request = (secure ? https : http).request({
      host: ip,
      port,
      path: pathOf(address),
      // A connection each: one that is kept may be closed by the server just when it is used again.
      agent: false,
      setHost: false,
      // The certificate has to be that of the name, although the connection goes to an address.
      ...(secure && host.kind === 'NAME' ? { servername: host.name } : {}),
      headers: {
        host: authorityOf(address),
        accept: '*/*',
        'accept-encoding': 'identity',
        ...(Object.fromEntries(given) as Record<string, string>),
      },
    });
    return new Promise((resolve, reject) => {
      const stop = (): void => void request.destroy(new Error('not waited for any longer'));
      const settle = (): void => {
        signal.removeEventListener('abort', stop);
        timeout.removeEventListener('abort', stop);
      };
      signal.addEventListener('abort', stop, { once: true });
      timeout.addEventListener('abort', stop, { once: true });
      request.once('response', (response) => {
        settle();
        resolve(response);
      });
      // Stays: a connection that breaks later reports here too, and to the reader of the answer.
      request.on('error', (cause) => {
        settle();
        if (host.kind === 'NAME' && !signal.aborted) this.#pins.delete(host.name);
        reject(signal.aborted ? aborted(signal) : notReached(timeout.aborted, cause));
      });
      // The last event of all. After an answer it changes nothing; a source that answers by a change of the protocol (101)
      // ends its request by this event alone.
      request.once('close', () => {
        settle();
        reject(signal.aborted ? aborted(signal) : notReached(timeout.aborted, new Error('closed without an answer')));
      });
      request.end();
    });
  }

  async #pin({ host }: ParsedAddress, signal: AbortSignal): Promise<string> {
    const known = host.kind === 'NAME' ? this.#pins.get(host.name) : undefined;
    if (known !== undefined) return known;
    const ip = await this.#options.judge.pin(host, signal);
    if (host.kind === 'NAME' && this.#pins.size < MAX_PINS) this.#pins.set(host.name, ip);
    return ip;
  }
}

/** The address that `reference` means in a document from `base`; as it is when it means none, for the judge to refuse. */
export function resolveReference(reference: string, base: string): string {
  // An inline document has no address, and may be long.
  if (reference.length > 2 * MAX_ADDRESS_CHARACTERS || !URL.canParse(reference, base)) return reference;
  const url = new URL(reference, base);
  url.hash = '';
  return url.href;
}

function pathOf({ path, query }: ParsedAddress): string {
  return `${path === '' ? '/' : path}${query}`;
}

function authorityOf({ scheme, host, port }: ParsedAddress): string {
  const isDefault = port === (scheme === 'https' ? 443 : 80);
  return `${urlHost(host)}${isDefault ? '' : `:${port}`}`;
}

/** The address again, without credentials. */
export function urlOf(address: ParsedAddress): string {
  return `${address.scheme}://${authorityOf(address)}${address.path}${address.query}`;
}

function sameOrigin(left: ParsedAddress, right: ParsedAddress): boolean {
  return left.scheme === right.scheme && authorityOf(left) === authorityOf(right);
}

/** Why a server could not be connected to, or did not answer. */
export function notReached(timedOut: boolean, cause: unknown): AppError {
  const { code } = cause as { readonly code?: unknown };
  const isTls = typeof code === 'string' && /^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code);
  const why = timedOut ? 'does not answer' : isTls ? 'has no certificate that is trusted' : 'cannot be connected to';
  return new AppError('SOURCE_UNREACHABLE', `The source ${why}.`, { cause });
}
