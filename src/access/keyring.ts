/** The keys of the database, in memory, and who a request comes from by its key. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Config } from '../config.ts';
import type { ApiKeyRecord, KeyLimits } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/index.ts';
import { anyCaller, type Caller, type EndableCaller, keyCaller, keyMissing, nobody } from './caller.ts';
import { hasHash, parseKey } from './key-text.ts';
import { type KeyLimitConfig, keyLimits } from './limits.ts';

export interface KeyringParts {
  readonly config: Pick<Config, 'host'> & KeyLimitConfig;
  readonly store: Pick<Store, 'keys' | 'keysUsed' | 'foreignChanges'>;
  readonly log: Log;
}

export interface Keyring extends AsyncDisposable {
  /** Whether every request needs a key: from the first key of the database on, and for good. */
  readonly isGuarded: boolean;
  /**
   * Who sends this value of an `authorization` header. Anybody, whatever it is, where the server has no keys. Errors:
   * UNAUTHENTICATED.
   */
  identify(authorization: unknown): Caller;
  /** Somebody who needs a key and has none. */
  readonly nobody: Caller;
  /** Most frames of a key's streams, also of a revoked key; infinite where there is no limit. */
  maxFramesOf(keyId: string): number;
}

/** Another process makes and revokes keys; this is how long that may go unnoticed, and it costs one pragma each time. */
const LOOK_EVERY_MS = 500;
/** The last use of a key is stored as often at most. */
const USED_EVERY_MS = 60_000;

/**
 * Reads the keys, and goes on looking for changes until it is disposed of. Errors: STORE_FAILED, CONFIG_INVALID where HOST
 * opens the server to others and no key guards it.
 */
export async function openKeyring(parts: KeyringParts): Promise<Keyring> {
  const keyring = new WatchedKeyring(parts);
  await keyring.look();
  keyring.checkHost();
  keyring.watch();
  return keyring;
}

/** A key at hand: how it is known again, and who comes with it. */
interface ActiveKey extends EndableCaller {
  readonly secretHash: string;
}

class WatchedKeyring implements Keyring {
  readonly #parts: KeyringParts;
  readonly #limits: KeyLimits;
  readonly nobody = nobody();
  readonly #anybody = anyCaller();
  readonly #active = new Map<string, ActiveKey>();
  readonly #maxFrames = new Map<string, number>();
  readonly #used = new Set<string>();
  #isGuarded = false;
  #changes: number | null = null;
  #looking: Promise<void> = Promise.resolve();
  readonly #keepUses = async (): Promise<void> => {
    if (this.#used.size === 0) return;
    const ids = [...this.#used];
    this.#used.clear();
    await this.#parts.store.keysUsed(ids, new Date());
  };
  #timers: readonly NodeJS.Timeout[] = [];

  constructor(parts: KeyringParts) {
    this.#parts = parts;
    this.#limits = keyLimits(parts.config);
  }

  get isGuarded(): boolean {
    return this.#isGuarded;
  }

  identify(authorization: unknown): Caller {
    if (!this.#isGuarded) return this.#anybody.caller;
    if (typeof authorization !== 'string') throw keyMissing();
    const [, text = ''] = /^bearer +(\S+) *$/i.exec(authorization) ?? [];
    const given = parseKey(text);
    const key = given === null ? undefined : this.#active.get(given.id);
    // One message for all of these, so that it tells nothing about the keys that there are.
    if (given === null || key === undefined || !hasHash(given.secret, key.secretHash)) {
      throw new AppError('UNAUTHENTICATED', 'The key is no key of this server, or it has been revoked.');
    }
    this.#used.add(given.id);
    return key.caller;
  }

  maxFramesOf(keyId: string): number {
    return this.#maxFrames.get(keyId) ?? (this.#limits.storedFrames || Number.POSITIVE_INFINITY);
  }

  /** Errors: STORE_FAILED; the keys stay as they were. */
  async look(): Promise<void> {
    const { store } = this.#parts;
    // In this order: what changes between the two is seen the next time.
    const changes = await store.foreignChanges();
    if (changes === this.#changes) return;
    this.#take(await store.keys());
    this.#changes = changes;
  }

  checkHost(): void {
    const { host } = this.#parts.config;
    if (isLoopback(host) || this.#active.size > 0) return;
    throw new AppError(
      'CONFIG_INVALID',
      `HOST ${host} opens the server to other machines, and no key guards it. Make one by "circumplex keys create NAME --scopes read,write" with the same DATA_DIR, or leave HOST at 127.0.0.1.`,
    );
  }

  watch(): void {
    const { log } = this.#parts;
    let failing = false;
    const every = (ms: number, work: () => Promise<void>): NodeJS.Timeout => {
      const timer = setInterval(() => {
        this.#looking = this.#looking.then(work).then(
          () => {
            failing = false;
          },
          (err: unknown) => {
            // Told once: a database that fails says so on every other way too.
            if (!failing) log.error({ err }, 'the keys could not be looked at; they stay as they were');
            failing = true;
          },
        );
      }, ms);
      timer.unref();
      return timer;
    };
    this.#timers = [every(LOOK_EVERY_MS, () => this.look()), every(USED_EVERY_MS, this.#keepUses)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#looking;
    // Those since the last time; a database that fails has said so elsewhere.
    await this.#keepUses().catch(() => undefined);
  }

  #take(keys: readonly ApiKeyRecord[]): void {
    const { log } = this.#parts;
    for (const key of keys) {
      const { id, secretHash, revokedAt } = key;
      this.#maxFrames.set(id, (key.limits.storedFrames ?? this.#limits.storedFrames) || Number.POSITIVE_INFINITY);
      const known = this.#active.get(id);
      if (revokedAt === null && known === undefined) {
        this.#active.set(id, { ...keyCaller(key, this.#limits), secretHash });
        if (this.#changes !== null) log.info({ keyId: id }, 'a key was made');
      } else if (revokedAt !== null && known !== undefined) {
        this.#active.delete(id);
        log.info({ keyId: id }, 'a key was revoked');
        known.end(new AppError('UNAUTHENTICATED', 'The key has been revoked.'));
      }
    }
    if (keys.length === 0 || this.#isGuarded) return;
    this.#isGuarded = true;
    this.#anybody.end(new AppError('UNAUTHENTICATED', 'This server asks for a key from now on.'));
  }
}

/** Whether nobody but this machine can reach a server that listens there. A name but localhost may be anywhere. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && ipaddr.parse(host).range() === 'loopback');
}
