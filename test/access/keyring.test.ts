/** The keyring over a store that a test holds in its hand, with a clock that it turns. */
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hashSecret, makeKey, openKeyring } from '../../src/access/index.ts';
import type { ApiKeyRecord } from '../../src/domain.ts';
import { AppError } from '../../src/errors.ts';
import { testConfig } from '../pipeline/support.ts';

const MINUTE_MS = 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function heldStore() {
  const lines: string[] = [];
  const made = makeKey();
  const key: ApiKeyRecord = {
    id: made.id,
    name: 'a test',
    secretHash: hashSecret(made.secret),
    scopes: ['read'],
    limits: {},
    createdAt: new Date(),
    revokedAt: null,
    lastUsedAt: null,
  };
  const state = {
    changes: 1,
    keys: [key] as ApiKeyRecord[],
    reads: 0,
    uses: [] as (readonly string[])[],
    broken: false,
  };
  const store = {
    async foreignChanges() {
      if (state.broken) throw new AppError('STORE_FAILED', 'The disk is gone.');
      return state.changes;
    },
    async keys() {
      state.reads += 1;
      return state.keys;
    },
    async keysUsed(ids: readonly string[]) {
      state.uses.push(ids);
    },
  };
  const log = pino({ level: 'error' }, { write: (line: string) => lines.push(line) });
  const config = testConfig('.', { KEY_STORED_FRAMES: '7' });
  return { state, key, lines, authorization: `Bearer ${made.text}`, open: () => openKeyring({ config, store, log }) };
}

test('reads the keys again only when another process has changed the database', async () => {
  const { state, key, authorization, open } = heldStore();
  await using keyring = await open();
  await vi.advanceTimersByTimeAsync(MINUTE_MS / 2);
  expect(state.reads).toBe(1);
  const { ended } = keyring.identify(authorization);
  state.keys = [{ ...key, revokedAt: new Date() }];
  await vi.advanceTimersByTimeAsync(MINUTE_MS / 2);
  expect(ended.aborted).toBe(false);
  state.changes += 1;
  await vi.advanceTimersByTimeAsync(1000);
  expect([state.reads, ended.aborted]).toEqual([2, true]);
  expect(ended.reason).toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(() => keyring.identify(authorization)).toThrow('revoked');
});

test('keeps that a key was used once a minute at most', async () => {
  const { state, key, authorization, open } = heldStore();
  await using keyring = await open();
  for (let uses = 0; uses < 100; uses++) keyring.identify(authorization);
  expect(state.uses).toEqual([]);
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(state.uses).toEqual([[key.id]]);
  await vi.advanceTimersByTimeAsync(5 * MINUTE_MS);
  expect(state.uses).toHaveLength(1);
});

test('stays as it was while the database fails, says so once, and goes on after it', async () => {
  const { state, key, lines, authorization, open } = heldStore();
  await using keyring = await open();
  state.broken = true;
  await vi.advanceTimersByTimeAsync(MINUTE_MS / 2);
  expect(lines).toHaveLength(1);
  expect(keyring.identify(authorization).keyId).toBe(key.id);
  Object.assign(state, { broken: false, changes: 2, keys: [{ ...key, revokedAt: new Date() }] });
  await vi.advanceTimersByTimeAsync(1000);
  expect(() => keyring.identify(authorization)).toThrow('revoked');
});

test('looks no more once it is closed', async () => {
  const { state, open } = heldStore();
  const keyring = await open();
  await keyring[Symbol.asyncDispose]();
  state.changes += 1;
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect([state.reads, vi.getTimerCount()]).toEqual([1, 0]);
});

test('knows the limit of stored frames of each key, and that of keys without one of their own', async () => {
  const { state, key, open } = heldStore();
  state.keys = [
    key,
    { ...key, id: 'own', limits: { storedFrames: 3 } },
    { ...key, id: 'free', limits: { storedFrames: 0 } },
  ];
  await using keyring = await open();
  const limits = [key.id, 'own', 'free', 'unknown'].map((id) => keyring.maxFramesOf(id));
  expect(limits).toEqual([7, 3, Number.POSITIVE_INFINITY, 7]);
});
