import { describe, expect, test } from 'vitest';
import type { ApiKeyRecord } from '../../src/domain.ts';
import { openStore } from '../../src/store/index.ts';
import { frame, streamRecord, testStore } from './support.ts';

const CREATED_AT = new Date('2026-01-02T03:04:05.678Z');

function key(id: string, change: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  return {
    id,
    name: `key ${id}`,
    secretHash: `hash of ${id}`,
    scopes: ['read', 'write'],
    limits: { openStreams: 3 },
    createdAt: CREATED_AT,
    revokedAt: null,
    lastUsedAt: null,
    ...change,
  };
}

describe('keys', () => {
  test('are kept with every field, oldest first', async () => {
    await using own = await testStore();
    const [late, early] = [key('a', { createdAt: new Date() }), key('b', { scopes: ['admin'], limits: {} })];
    await own.store.createKey(late);
    await own.store.createKey(early);
    expect(await own.store.keys()).toEqual([early, late]);
    await expect(own.store.createKey(late)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });

  test('are revoked once, and keep when', async () => {
    await using own = await testStore();
    await own.store.createKey(key('a'));
    const revokedAt = new Date('2026-02-03T04:05:06.789Z');
    expect(await own.store.revokeKey('a', revokedAt)).toEqual(key('a', { revokedAt }));
    expect((await own.store.revokeKey('a', new Date())).revokedAt).toEqual(revokedAt);
    await expect(own.store.revokeKey('nobody', new Date())).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('keep when they were last used', async () => {
    await using own = await testStore();
    for (const id of ['a', 'b', 'c']) await own.store.createKey(key(id));
    const usedAt = new Date('2026-02-03T04:05:06.789Z');
    await own.store.keysUsed(['a', 'c', 'nobody'], usedAt);
    expect((await own.store.keys()).map(({ lastUsedAt }) => lastUsedAt)).toEqual([usedAt, null, usedAt]);
  });

  test('of another process change the number by which a server knows', async () => {
    await using own = await testStore();
    const before = await own.store.foreignChanges();
    await own.store.createKey(key('a'));
    expect(await own.store.foreignChanges()).toBe(before);
    await using other = await openStore({ databaseUrl: own.databaseUrl });
    await other.revokeKey('a', new Date());
    expect(await own.store.foreignChanges()).not.toBe(before);
    expect((await own.store.keys())[0]?.revokedAt).not.toBeNull();
  });
});

test('what belongs to a key is listed and counted apart', async () => {
  await using own = await testStore();
  const { store } = own;
  const streams = [
    streamRecord('a1', { ownerKeyId: 'a', status: 'COMPLETED' }),
    streamRecord('a2', { ownerKeyId: 'a', status: 'RECONNECTING', createdAt: new Date('2026-03-01T00:00:00.000Z') }),
    streamRecord('b1', { ownerKeyId: 'b', status: 'RUNNING' }),
    streamRecord('nobody', { status: 'RUNNING' }),
  ];
  for (const stream of streams) expect(await store.createStream(stream)).toEqual(stream);
  await store.appendFrames([frame('a1', 0), frame('a1', 1, []), frame('a2', 0), frame('b1', 0), frame('nobody', 0)]);
  const idsOf = async (ownerKeyId?: string): Promise<string[]> => {
    const owner = ownerKeyId === undefined ? {} : { ownerKeyId };
    return (await store.streams({ first: 10, ...owner })).items.map(({ id }) => id).sort();
  };
  expect(await idsOf('a')).toEqual(['a1', 'a2']);
  expect(await idsOf('nobody')).toEqual([]);
  expect(await idsOf()).toEqual(['a1', 'a2', 'b1', 'nobody']);
  expect([await store.openStreamsOf('a'), await store.openStreamsOf('b'), await store.openStreamsOf('c')]).toEqual([
    1, 1, 0,
  ]);
  expect([await store.storedFramesOf('a'), await store.storedFramesOf('b'), await store.storedFramesOf('c')]).toEqual([
    3, 1, 0,
  ]);
  // Whose it is stays what it was, whatever else changes.
  expect((await store.updateStream('a2', { status: 'STOPPED' })).ownerKeyId).toBe('a');
  await store.deleteStream('a1');
  expect([await store.openStreamsOf('a'), await store.storedFramesOf('a')]).toEqual([0, 1]);
});
