import { expect, test } from 'vitest';
import { Places } from '../../src/flow/index.ts';

const full = () => new Error('full');

test('places are refused beyond their number, and free again once their holder is gone, however often it says so', () => {
  const places = new Places(2, full);
  const first = places.take();
  places.take();
  expect(() => places.take()).toThrow('full');
  expect(places).toMatchObject({ taken: 2, refused: 1 });
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  expect(places.taken).toBe(1);
  places.take();
  expect(() => places.take()).toThrow('full');
});

test('whoever was there before keeps a place, and counts for those who come', () => {
  const places = new Places(1, full);
  places.takeAnyway();
  const second = places.takeAnyway();
  second[Symbol.dispose]();
  expect(() => places.take()).toThrow('full');
});
