/** `circumplex keys`: makes, lists and revokes keys, beside a running server or without one. */
import type { Writable } from 'node:stream';
import { hashSecret, KEY_LIMIT_SETTINGS, makeKey } from '../access/index.ts';
import { type Config, describeSettings } from '../config.ts';
import type { ApiKeyRecord, KeyLimits } from '../domain.ts';
import type { Store } from '../store/index.ts';
import type { KeysArguments, SettingFlags } from './arguments.ts';

export interface KeysParts {
  readonly config: Config;
  readonly store: Pick<Store, 'createKey' | 'keys' | 'revokeKey'>;
  /** Gets the key, or the list, and nothing else. */
  readonly stdout: Writable;
  /** Gets what is said to people. */
  readonly stderr: Writable;
}

/**
 * The text of a key is written once, to `stdout`, and kept nowhere. A server notices within a second. Errors: NOT_FOUND,
 * STORE_FAILED.
 */
export async function runKeys(command: KeysArguments, { config, store, stdout, stderr }: KeysParts): Promise<void> {
  switch (command.action) {
    case 'create': {
      const { id, secret, text } = makeKey();
      const { name, scopes, flags } = command;
      await store.createKey({
        id,
        name,
        secretHash: hashSecret(secret),
        scopes,
        limits: ownLimits(flags, config),
        createdAt: new Date(),
        revokedAt: null,
        lastUsedAt: null,
      });
      stdout.write(`${text}\n`);
      stderr.write(`Key ${id} is made. Keep the line above: it is shown this once.\n`);
      return;
    }
    case 'list':
      stdout.write(table(await store.keys()));
      return;
    case 'revoke': {
      const { id, revokedAt } = await store.revokeKey(command.id, new Date());
      stderr.write(
        `Key ${id} is revoked since ${revokedAt?.toISOString()}. Its streams stay; an admin may erase them.\n`,
      );
    }
  }
}

/** The limits that were given as flags; those of the environment are the server's own. */
function ownLimits(flags: SettingFlags, config: Config): Partial<KeyLimits> {
  const flagOf = new Map(describeSettings().map(({ name, flag }) => [name, flag.slice(2)]));
  const words = Object.entries(KEY_LIMIT_SETTINGS).filter(([, setting]) => (flagOf.get(setting) ?? '') in flags);
  return Object.fromEntries(words.map(([word, setting]) => [word, config[setting]]));
}

const HEADING = ['ID', 'NAME', 'SCOPES', 'CREATED', 'LAST USED', 'REVOKED', 'LIMITS OF ITS OWN'];

function table(keys: readonly ApiKeyRecord[]): string {
  const moment = (date: Date | null): string => date?.toISOString() ?? '-';
  const rows = keys.map(({ id, name, scopes, limits, createdAt, lastUsedAt, revokedAt }) => [
    id,
    name,
    scopes.join(','),
    moment(createdAt),
    moment(lastUsedAt),
    moment(revokedAt),
    Object.entries(limits)
      .map(([word, limit]) => `${word}=${limit}`)
      .join(',') || '-',
  ]);
  const lines = [HEADING, ...rows];
  const widths = HEADING.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
