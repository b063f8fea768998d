import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { pause, settlesWithin } from '../../src/flow/index.ts';

const LONG_MS = 600_000;

describe('pause', () => {
  test('lasts its time', async () => {
    const beganAtMs = performance.now();
    await pause(30, new AbortController().signal);
    expect(performance.now() - beganAtMs).toBeGreaterThan(25);
  });

  test('ends at once when its signal fires or has fired, and leaves no listener', async () => {
    const controller = new AbortController();
    const paused = pause(LONG_MS, controller.signal);
    controller.abort();
    await paused;
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    await pause(LONG_MS, controller.signal);
  });

  test('takes its listener off when its time is over', async () => {
    const { signal } = new AbortController();
    await pause(1, signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('settlesWithin', () => {
  test('tells a promise that settles from one that does not', async () => {
    expect(await settlesWithin(Promise.resolve(1), LONG_MS)).toBe(true);
    expect(await settlesWithin(Promise.reject(new Error('no')), LONG_MS)).toBe(true);
    expect(await settlesWithin(new Promise(() => {}), 5)).toBe(false);
  });
});
