import { describe, expect, test } from 'vitest';
import { TextCache } from '../../src/graphql/text-cache.ts';

describe('a cache of texts', () => {
  test('gives what was kept last for a text', () => {
    const cache = new TextCache<number>({ maxCharacters: 100, entryCharacters: 0 });
    cache.set('a', 1);
    cache.set('b', 2);
    cache.set('a', 3);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([3, 2, undefined]);
  });

  test('forgets the longest unused when the texts together are too long', () => {
    const cache = new TextCache<number>({ maxCharacters: 10, entryCharacters: 0 });
    cache.set('aaaa', 1);
    cache.set('bbbb', 2);
    cache.get('aaaa');
    cache.set('cccc', 3);
    expect([cache.get('aaaa'), cache.get('bbbb'), cache.get('cccc')]).toEqual([1, undefined, 3]);
  });

  test('keeps nothing that is too long alone', () => {
    const cache = new TextCache<number>({ maxCharacters: 10, entryCharacters: 0 });
    cache.set('a'.repeat(11), 1);
    expect(cache.get('a'.repeat(11))).toBeUndefined();
    cache.set('b'.repeat(10), 2);
    expect(cache.get('b'.repeat(10))).toBe(2);
  });

  test('counts each value, however short its text', () => {
    const cache = new TextCache<number>({ maxCharacters: 10, entryCharacters: 4 });
    for (const [value, text] of ['a', 'b', 'c'].entries()) cache.set(text, value);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([undefined, 1, 2]);
  });

  test('counts a text that is kept again once', () => {
    const cache = new TextCache<number>({ maxCharacters: 10, entryCharacters: 0 });
    for (let again = 0; again < 5; again += 1) cache.set('aaaa', again);
    cache.set('bbbb', 9);
    expect([cache.get('aaaa'), cache.get('bbbb')]).toEqual([4, 9]);
  });
});
