import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { joinSignals } from '../../src/flow/index.ts';

test('fires with the reason of the first that fires, and lets go of all of them', () => {
  const [one, other] = [new AbortController(), new AbortController()];
  using joined = joinSignals([one.signal, other.signal]);
  expect(joined.signal.aborted).toBe(false);
  other.abort('the other');
  one.abort('too late');
  expect(joined.signal.reason).toBe('the other');
  for (const { signal } of [one, other]) expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('has fired already when one of them has', () => {
  const one = new AbortController();
  using joined = joinSignals([AbortSignal.abort('before'), one.signal]);
  expect(joined.signal.reason).toBe('before');
  expect(getEventListeners(one.signal, 'abort')).toEqual([]);
});

test('leaves nothing in a signal that outlives it, and does not fire any more', () => {
  const { signal } = new AbortController();
  for (let round = 0; round < 3; round++) {
    using joined = joinSignals([signal]);
    expect(joined.signal.aborted).toBe(false);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  }
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
