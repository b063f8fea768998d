import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LiveState } from '../../src/domain.ts';
import { AppError } from '../../src/errors.ts';
import { type AddressGate, LiveClock } from '../../src/ingest/index.ts';
import { type LiveFramesOptions, type LiveImage, liveFrames } from '../../src/pipeline/live-frames.ts';
import { httpServer, motionJpeg, smallPhotograph } from '../faults/fixtures/sources.ts';
import { codeOf } from '../ingest/fixtures/media.ts';
import { leftIn } from '../support/left-in-signal.ts';
import { loopbackGate } from '../support/loopback-gate.ts';

const LIMITS = {
  connectSeconds: 30,
  stallSeconds: 10,
  reconnectAttempts: 2,
  reconnectMaxSeconds: 0.1,
  mediaMemoryBytes: 0,
};

function options(wish: Partial<LiveFramesOptions> = {}): LiveFramesOptions {
  return {
    gate: loopbackGate(),
    address: 'http://127.0.0.1/video',
    sampling: { kind: 'RATE', framesPerSecond: 5 },
    maxSidePixels: 640,
    maxWidthPixels: null,
    fromFirst: false,
    rtspTransport: 'AUTO',
    clock: new LiveClock({ openedAtMs: Date.now(), lastPtsSeconds: null }),
    limits: LIMITS,
    report: async () => {},
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
    ...wish,
  };
}

/** A gate that opens nothing, and counts how often it is asked. */
function failingGate(error: Error) {
  const asked: AbortSignal[] = [];
  const gate: AddressGate = {
    check: () => ({ kind: 'HTTP', shownUrl: '' }),
    open: (_, { signal }) => {
      asked.push(signal);
      return Promise.reject(error);
    },
  };
  return { gate, asked };
}

async function readAll(frames: AsyncIterable<LiveImage>): Promise<void> {
  for await (const _ of frames) {
    // Until it ends.
  }
}

describe('a live source', () => {
  it('is called again when it cannot be reached, and leaves nothing in the signal of its stream', async () => {
    const { gate, asked } = failingGate(new AppError('SOURCE_UNREACHABLE', 'The host camera has no address.'));
    const { signal } = new AbortController();
    expect(await codeOf(readAll(liveFrames(options({ gate, signal }))))).toBe('SOURCE_UNREACHABLE');
    expect(asked).toHaveLength(1 + LIMITS.reconnectAttempts);
    expect(leftIn(signal)).toBe(0);
  });

  it.each(['INTERNAL', 'OVERLOADED', 'ADDRESS_REFUSED'] as const)(
    'is not called again over %s, which is no fault of it',
    async (code) => {
      const { gate, asked } = failingGate(new AppError(code, 'Something else.'));
      expect(await codeOf(readAll(liveFrames(options({ gate }))))).toBe(code);
      expect(asked).toHaveLength(1);
    },
  );

  it.each([0.1, 16.1, 600])('may take %d s to connect', async (connectSeconds) => {
    const { gate, asked } = failingGate(new AppError('SOURCE_UNREACHABLE', 'Nobody is there.'));
    const limits = { ...LIMITS, connectSeconds, reconnectAttempts: 0 };
    expect(await codeOf(readAll(liveFrames(options({ gate, limits }))))).toBe('SOURCE_UNREACHABLE');
    expect(asked).toHaveLength(1);
  });

  it('is not taken for lost when its state cannot be stored', async () => {
    const jpeg = await smallPhotograph();
    await using source = await httpServer((_, response) => void motionJpeg(response, jpeg, 10));
    const reported: LiveState['status'][] = [];
    const report = async ({ status }: LiveState): Promise<void> => {
      reported.push(status);
      if (status === 'RUNNING') throw new AppError('STORE_FAILED', 'The disk is full.');
    };
    const frames = liveFrames(options({ address: `${source.url}/video`, report }));
    expect(await codeOf(readAll(frames))).toBe('STORE_FAILED');
    expect(reported).toEqual(['RUNNING']);
  });
});
