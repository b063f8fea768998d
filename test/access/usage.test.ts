import { expect, test } from 'vitest';
import { Usage } from '../../src/access/usage.ts';

const LIMITS = {
  openStreams: 2,
  requestsPerMinute: 0,
  subscriptions: 0,
  uploadsInFlight: 0,
  uploadBytesPerDay: 0,
  storedFrames: 0,
};

/** Streams in a database, and openings that end when they are told to. */
function streams() {
  const usage = new Usage(LIMITS);
  let stored = 0;
  return {
    open(release: Promise<void>): Promise<void> {
      return usage.opening(
        async () => stored,
        async () => {
          stored += 1;
          await release;
        },
      );
    },
    stored: () => stored,
  };
}

test('a stream that is stored while its opening has not returned is counted once', async () => {
  const { open, stored } = streams();
  const { promise, release } = released();
  const first = open(promise);
  await new Promise((resolve) => setImmediate(resolve));
  expect(stored()).toBe(1);
  const second = open(promise);
  release();
  await Promise.all([first, second]);
  await expect(open(promise)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  expect(stored()).toBe(2);
});

test('of many at once as many are opened as the limit allows', async () => {
  const { open, stored } = streams();
  const { promise, release } = released();
  const all = Array.from({ length: 9 }, () => open(promise));
  release();
  const ends = await Promise.allSettled(all);
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  expect(stored()).toBe(2);
});

test('an opening that fails leaves its place to the one behind it', async () => {
  const usage = new Usage({ ...LIMITS, openStreams: 1 });
  const failing = usage.opening(
    async () => 0,
    async () => {
      throw new Error('no such source');
    },
  );
  const next = usage.opening(
    async () => 0,
    async () => 'opened',
  );
  await expect(failing).rejects.toThrow('no such source');
  expect(await next).toBe('opened');
});

function released(): { readonly promise: Promise<void>; readonly release: () => void } {
  let release = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { promise, release };
}
