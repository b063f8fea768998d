import { expect, test } from 'vitest';
import { Failure } from '../../web/src/server/failure.ts';
import { Patience, pause } from '../../web/src/server/patience.ts';

const { signal } = new AbortController();

test('insists on what may pass, as long as it is told to wait', async () => {
  const told: number[] = [];
  const patience = new Patience({ signal, tell: (_, waitSeconds) => told.push(waitSeconds) });
  let tries = 0;
  const result = await patience.insist(async () => {
    tries += 1;
    if (tries < 3) throw new Failure({ message: 'full', retryable: true, retryAfterSeconds: tries / 1000 });
    return 'done';
  });
  expect([result, told]).toEqual(['done', [0.001, 0.002]]);
});

test('waits longer each time, and as at first when something has worked', async () => {
  const told: number[] = [];
  const ending = new AbortController();
  const patience = new Patience({ signal: ending.signal, tell: (_, waitSeconds) => told.push(waitSeconds) });
  const lost = new Failure({ message: 'lost', retryable: true });
  for (const calm of [false, false, false, true]) {
    if (calm) patience.calm();
    const waiting = patience.after(lost);
    // Only what is told is looked at: the wait itself is cut by a signal of its own in the next test.
    void waiting.catch(() => undefined);
  }
  expect(told).toEqual([0.5, 1, 2, 0.5]);
  ending.abort();
});

test('throws what does not pass, and the reason of whoever ends it', async () => {
  const ending = new AbortController();
  const patience = new Patience({ signal: ending.signal, tell: () => ending.abort(new Error('enough')) });
  const refusal = new Failure({ message: 'no', code: 'BAD_INPUT' });
  await expect(patience.after(refusal)).rejects.toBe(refusal);
  await expect(patience.after(new Error('bug'))).rejects.toThrow('bug');
  await expect(patience.after(new Failure({ message: 'lost', retryable: true }))).rejects.toThrow('enough');
  await expect(pause(3600, ending.signal)).rejects.toThrow('enough');
});
