/**
 * Answers a server of HTTP, or of RTSP, which asks in the same way, for credentials: Digest (RFC 7616), which most cameras
 * want, or Basic (RFC 7617).
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Credentials } from './address-syntax.ts';

/** The value of the Authorization header for a request of `uri`; each call counts, since a nonce is used up. */
export type Authorize = (method: string, uri: string) => string;

/** Node's hashes by the names that servers use, the best first. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['SHA-256', 'sha256'],
  ['MD5', 'md5'],
]);

type Parameters = ReadonlyMap<string, string>;

/**
 * What answers the challenges of a WWW-Authenticate header; `null` where none can be answered. Digest goes before Basic,
 * as it does not give the password away.
 */
export function answerTo(
  header: string,
  credentials: Credentials,
  makeClientNonce: () => string = () => randomBytes(16).toString('hex'),
): Authorize | null {
  const challenges = parseChallenges(header);
  const digests = challenges.filter(({ scheme }) => scheme === 'digest').map(({ parameters }) => parameters);
  for (const [name, hash] of HASHES) {
    const wanted = digests.find((parameters) => (parameters.get('algorithm') ?? 'MD5').toUpperCase() === name);
    const qop = wanted?.get('qop');
    // A server that wants the body hashed too (auth-int) and nothing less is not met among cameras.
    if (wanted === undefined || (qop !== undefined && !/\bauth\b(?!-int)/.test(qop))) continue;
    return digest(wanted, hash, credentials, makeClientNonce);
  }
  if (!challenges.some(({ scheme }) => scheme === 'basic')) return null;
  const basic = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
  return () => `Basic ${basic}`;
}

function digest(wanted: Parameters, hash: string, credentials: Credentials, makeClientNonce: () => string): Authorize {
  // Headers come and go as one character a byte; so do the texts that are hashed with them.
  const hashed = (...parts: readonly string[]): string =>
    createHash(hash).update(parts.join(':'), 'latin1').digest('hex');
  const user = Buffer.from(credentials.user).toString('latin1');
  const password = Buffer.from(credentials.password).toString('latin1');
  const realm = wanted.get('realm') ?? '';
  const nonce = wanted.get('nonce') ?? '';
  const repeated = ['algorithm', 'opaque'].filter((name) => wanted.has(name));
  let count = 0;
  return (method, uri) => {
    const secret = hashed(user, realm, password);
    const asked = hashed(method, uri);
    const fields = [`username=${quote(user)}`, `realm=${quote(realm)}`, `nonce=${quote(nonce)}`, `uri=${quote(uri)}`];
    // Servers of old want the algorithm without quotes.
    for (const name of repeated) {
      fields.push(`${name}=${name === 'opaque' ? quote(wanted.get(name)!) : wanted.get(name)}`);
    }
    if (!wanted.has('qop')) return `Digest ${fields.join(', ')}, response="${hashed(secret, nonce, asked)}"`;
    count += 1;
    const nonceCount = count.toString(16).padStart(8, '0');
    const clientNonce = makeClientNonce();
    const response = hashed(secret, nonce, nonceCount, clientNonce, 'auth', asked);
    return `Digest ${fields.join(', ')}, qop=auth, nc=${nonceCount}, cnonce="${clientNonce}", response="${response}"`;
  };
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** A word with a value is a parameter; one without begins a challenge. */
const WORD = /([A-Za-z][\w*-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+)))?/g;

/** Several challenges may stand in one header, with commas between them as between their parameters. */
function parseChallenges(header: string): { readonly scheme: string; readonly parameters: Parameters }[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (const [, name, quoted, bare] of header.matchAll(WORD)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? bare;
    if (value === undefined) challenges.push({ scheme: name!.toLowerCase(), parameters: new Map() });
    else challenges.at(-1)?.parameters.set(name!.toLowerCase(), value);
  }
  return challenges;
}
