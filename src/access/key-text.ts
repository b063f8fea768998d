/** A key as text, `cpx_<id>_<secret>`, and the hash by which its secret is known again. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const ID_BYTES = 6;
const SECRET_BYTES = 32;
/** The prefix lets people and scanners of leaked secrets see what it is. */
const KEY = /^cpx_([0-9a-f]{12})_([0-9a-f]{64})$/;

export interface KeyParts {
  /** Finds the key; no secret. */
  readonly id: string;
  readonly secret: string;
}

/** A fresh key, with the text that its owner gets. */
export function makeKey(): KeyParts & { readonly text: string } {
  const id = randomBytes(ID_BYTES).toString('hex');
  const secret = randomBytes(SECRET_BYTES).toString('hex');
  return { id, secret, text: `cpx_${id}_${secret}` };
}

/** `null` for whatever is no key. */
export function parseKey(text: string): KeyParts | null {
  const [, id, secret] = KEY.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

/**
 * SHA-256 in hexadecimal. A slow hash (argon2, scrypt) makes guessing dear where secrets are chosen by people. These are 256
 * random bits: nobody guesses them at any speed, and a hash that costs microseconds is computed for each request.
 */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Takes as long for a hash that differs at its end as for one that differs at its beginning. */
export function hasHash(secret: string, secretHash: string): boolean {
  const [given, kept] = [Buffer.from(hashSecret(secret)), Buffer.from(secretHash)];
  return given.length === kept.length && timingSafeEqual(given, kept);
}
