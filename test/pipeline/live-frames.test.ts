import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LiveState, Sampling } from '../../src/domain.ts';
import { AppError } from '../../src/errors.ts';
import { type AddressGate, createAddressGate, DefiniteError, LiveClock } from '../../src/ingest/index.ts';
import { type LiveFramesOptions, type LiveImage, liveFrames } from '../../src/pipeline/live-frames.ts';
import { LivePace } from '../../src/pipeline/live-pace.ts';
import { httpServer, motionJpeg, smallPhotograph } from '../faults/fixtures/sources.ts';
import { httpSource } from '../ingest/fixtures/http-source.ts';
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

const FIVE: Sampling = { kind: 'RATE', framesPerSecond: 5 };

function options(wish: Partial<LiveFramesOptions> = {}): LiveFramesOptions {
  return {
    gate: loopbackGate(),
    address: 'http://127.0.0.1/video',
    sampling: FIVE,
    maxSidePixels: 640,
    maxWidthPixels: null,
    fromFirst: false,
    rtspTransport: 'AUTO',
    clock: new LiveClock({ openedAtMs: Date.now(), lastPtsSeconds: null }),
    pace: new LivePace(LIMITS, FIVE),
    hasPlayed: false,
    limits: LIMITS,
    report: async () => {},
    warn: () => {},
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

  it('that has never played is given up after some calls that end by a clear word', async () => {
    const { gate, asked } = failingGate(new DefiniteError('The host camera has no address.'));
    const limits = { ...LIMITS, reconnectAttempts: 1000 };
    await expect(readAll(liveFrames(options({ gate, limits })))).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      message: expect.stringContaining('has no address. Given up after 5 tries'),
    });
    expect(asked).toHaveLength(5);
  });

  it.each([
    ['that has played before', true, [new DefiniteError('No.')]],
    [
      'whose clear words are not in a row',
      false,
      [new DefiniteError('No.'), new AppError('SOURCE_UNREACHABLE', 'Off.')],
    ],
  ])('%s is called as often as the settings say', async (_, hasPlayed, errors) => {
    let calls = 0;
    const gate: AddressGate = {
      check: () => ({ kind: 'HTTP', shownUrl: '' }),
      open: () => Promise.reject(errors[calls++ % errors.length]),
    };
    const limits = { ...LIMITS, reconnectAttempts: 12 };
    expect(await codeOf(readAll(liveFrames(options({ gate, limits, hasPlayed }))))).toBe('SOURCE_UNREACHABLE');
    expect(calls).toBe(13);
  });

  it.each([
    [
      'with a wrong password three times, so that it does not lock this server out',
      'user:wrong@',
      401,
      3,
      'credentials',
    ],
    ['that has nothing there yet as often as the settings say', '', 404, 8, '404'],
    ['that wants a password which nobody gave as often as the settings say', '', 401, 8, 'credentials'],
    ['that is out of order as often as the settings say', '', 503, 8, '503'],
  ])('%s', async (_, login, status, calls, message) => {
    const headers = status === 401 ? { 'www-authenticate': 'Basic realm="camera"' } : {};
    let asked = 0;
    await using source = await httpSource((request, response) => {
      if (login === '' || request.headers.authorization !== undefined) asked += 1;
      response.writeHead(status, headers).end();
    });
    const frames = liveFrames(
      options({
        gate: createAddressGate({ allowedHosts: ['127.0.0.1'] }),
        address: `${source.origin}/video`.replace('//', `//${login}`),
        limits: { ...LIMITS, reconnectAttempts: 7 },
      }),
    );
    await expect(readAll(frames)).rejects.toMatchObject({ message: expect.stringContaining(message) });
    expect(asked).toBe(calls);
  });

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
