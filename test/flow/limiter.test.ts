import { describe, expect, it } from 'vitest';
import { createLimiter } from '../../src/flow/index.ts';

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const full = (): Error => new Error('full');

describe('createLimiter', () => {
  it('runs so many at once, lets so many wait in line, and refuses and counts the rest', async () => {
    const limiter = createLimiter({ concurrency: 1, maxWaiting: 2, refuse: full });
    const gate = deferred();
    const order: number[] = [];
    const first = limiter.run(() => gate.promise);
    const second = limiter.run(async () => order.push(2));
    const third = limiter.run(async () => order.push(3));
    await expect(limiter.run(async () => order.push(4))).rejects.toThrow('full');
    expect([limiter.running, limiter.waiting, limiter.refused]).toEqual([1, 2, 1]);
    gate.resolve();
    await Promise.all([first, second, third]);
    expect(order).toEqual([2, 3]);
    expect([limiter.running, limiter.waiting]).toEqual([0, 0]);
  });

  it('frees the place of a task that failed', async () => {
    const limiter = createLimiter({ concurrency: 1, maxWaiting: 1, refuse: full });
    await expect(
      limiter.run(async () => {
        throw new Error('broken');
      }),
    ).rejects.toThrow('broken');
    await expect(limiter.run(async () => 'next')).resolves.toBe('next');
  });

  it('lets a waiting task leave by its signal, without running it', async () => {
    const limiter = createLimiter({ concurrency: 1, maxWaiting: 2, refuse: full });
    const gate = deferred();
    const first = limiter.run(() => gate.promise);
    const controller = new AbortController();
    let ran = false;
    const second = limiter.run(async () => {
      ran = true;
    }, controller.signal);
    controller.abort(new Error('left'));
    await expect(second).rejects.toThrow('left');
    gate.resolve();
    await first;
    expect([ran, limiter.running, limiter.waiting]).toEqual([false, 0, 0]);
  });
});
