import { expect, test } from 'vitest';
import { endable } from '../../src/flow/index.ts';

interface Seen {
  ended: boolean;
  readonly reasons: unknown[];
}

/** Gives 1, then waits for its end. */
async function* oneThenWait(ended: AbortSignal, seen: Seen): AsyncGenerator<number, void, undefined> {
  try {
    yield 1;
    await new Promise<void>((resolve) => {
      if (ended.aborted) resolve();
      ended.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    seen.reasons.push(ended.reason);
    seen.ended = true;
  }
}

test('return() ends a generator that waits, and the waiting next() is done', async () => {
  const seen: Seen = { ended: false, reasons: [] };
  const generator = endable((ended) => oneThenWait(ended, seen));
  expect(await generator.next()).toEqual({ done: false, value: 1 });
  const waiting = generator.next();
  expect((await generator.return()).done).toBe(true);
  expect((await waiting).done).toBe(true);
  expect(seen.ended).toBe(true);
});

test('the signal ends it with its reason, also one that has fired before', async () => {
  const seen: Seen = { ended: false, reasons: [] };
  const controller = new AbortController();
  const generator = endable((ended) => oneThenWait(ended, seen), controller.signal);
  await generator.next();
  const waiting = generator.next();
  controller.abort('enough');
  expect((await waiting).done).toBe(true);
  const late = endable((ended) => oneThenWait(ended, seen), controller.signal);
  for await (const value of late) expect(value).toBe(1);
  expect(seen.reasons).toEqual(['enough', 'enough']);
});

test('what the body throws reaches the consumer, and breaking out ends the body', async () => {
  const seen: Seen = { ended: false, reasons: [] };
  for await (const _ of endable((ended) => oneThenWait(ended, seen))) break;
  expect(seen.ended).toBe(true);
  const broken = endable(async function* () {
    yield 1;
    throw new Error('broken');
  });
  await broken.next();
  await expect(broken.next()).rejects.toThrow('broken');
  expect((await broken.next()).done).toBe(true);
});
