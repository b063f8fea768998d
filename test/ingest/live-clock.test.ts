import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LiveClock } from '../../src/ingest/index.ts';

const SECOND = 1e9;

function clockAt(lastPtsSeconds: number | null = null) {
  const wall = { ms: 1_000_000 };
  const clock = new LiveClock({ openedAtMs: 1_000_000, lastPtsSeconds, now: () => wall.ms });
  return {
    clock,
    /** The frame with this time of the source, at this many seconds since the stream was opened. */
    at(wallSeconds: number, sourceSeconds: number | null): number | null {
      wall.ms = 1_000_000 + wallSeconds * 1000;
      return clock.timeOf(sourceSeconds === null ? null : sourceSeconds * SECOND);
    },
  };
}

describe('the time of a live stream', () => {
  test('begins with the wall clock and goes on by the clock of the source, whatever the network does', () => {
    const { at } = clockAt();
    expect(at(2, 5000)).toBeCloseTo(2, 9);
    expect(at(2.9, 5000.2)).toBeCloseTo(2.2, 9);
    expect(at(2.91, 5000.4)).toBeCloseTo(2.4, 9);
  });

  test('is placed anew at each connection, after all that was before', () => {
    const { clock, at } = clockAt();
    at(1, 100);
    at(1.2, 100.2);
    clock.connected();
    expect(at(31, 7)).toBeCloseTo(31, 9);
    // A source that had run ahead of the wall clock: the new connection may not go back.
    at(31.1, 12);
    clock.connected();
    expect(at(32, 0)).toBeCloseTo(36.001, 9);
  });

  test('goes on after the last frame of an earlier run of the server', () => {
    expect(clockAt(50).at(60, 0)).toBeCloseTo(60, 9);
    expect(clockAt(50).at(10, 0)).toBeCloseTo(50.001, 9);
  });

  test('leaves out a frame that is a little late, and follows a source that begins anew or leaps ahead', () => {
    const { at } = clockAt();
    at(0, 10);
    at(0.2, 10.2);
    expect(at(0.3, 10.1)).toBeNull();
    expect(at(0.4, 10.4)).toBeCloseTo(0.4, 9);
    expect(at(0.6, 0)).toBeCloseTo(0.6, 9);
    expect(at(0.8, 0.2)).toBeCloseTo(0.8, 9);
    expect(at(1, 1e6)).toBeCloseTo(1, 9);
    expect(at(1.2, 1e6 + 0.2)).toBeCloseTo(1.2, 9);
  });

  test('follows the frames of a recording however far apart they lie and however fast they come', () => {
    const { clock, at } = clockAt();
    clock.connected({ isRecording: true });
    for (const minute of [0, 1, 2, 3, 100]) expect(at(1 + minute / 10, minute * 60)).toBeCloseTo(1 + minute * 60, 9);
  });

  test('allows a camera that is asked for few frames to lie as far apart as they were asked for', () => {
    const { clock, at } = clockAt();
    clock.connected({ intervalSeconds: 60 });
    expect(at(0, 1000)).toBeCloseTo(0, 9);
    // The network held the first back, and then both came at once.
    expect(at(100, 1060)).toBeCloseTo(60, 9);
    expect(at(100.1, 1120)).toBeCloseTo(120, 9);
    // No other camera is followed so far.
    clock.connected();
    at(150, 1000);
    expect(at(150.1, 1060)).toBeCloseTo(150.1, 9);
  });

  test('is that of the arrival for frames that carry none', () => {
    const { at } = clockAt();
    expect(at(1, null)).toBeCloseTo(1, 9);
    expect(at(1, null)).toBeCloseTo(1.001, 9);
    expect(at(3, null)).toBeCloseTo(3, 9);
  });

  test('leaves out what was read of a recording that begins again, and goes on in its time', () => {
    const { clock, at } = clockAt();
    clock.connected({ isRecording: true });
    expect([at(10, 0), at(10.1, 60), at(10.2, 120)]).toEqual([10, 70, 130]);
    clock.connected({ isRecording: true });
    expect([at(300, 0), at(300, null), at(300, 120), at(300, 180)]).toEqual([null, null, null, 190]);
    clock.connected();
    expect(at(400, 0)).toBe(400);
  });

  test('always rises, whatever the clocks of source and server do', () => {
    const event = fc.record({
      wallSeconds: fc.double({ min: -100, max: 100, noNaN: true }),
      sourceSeconds: fc.oneof(fc.constant(null), fc.double({ min: -1e6, max: 1e6, noNaN: true })),
      reconnects: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const { clock, at } = clockAt();
        let last = Number.NEGATIVE_INFINITY;
        for (const { wallSeconds, sourceSeconds, reconnects } of events) {
          if (reconnects) clock.connected();
          const seconds = at(wallSeconds, sourceSeconds);
          if (seconds === null) continue;
          expect(seconds).toBeGreaterThan(last);
          expect(seconds).toBeGreaterThanOrEqual(0);
          last = seconds;
        }
      }),
    );
  });

  test('gives every frame of a well-behaved source a time', () => {
    const steps = fc.array(fc.double({ min: 0.01, max: 5, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(steps, fc.double({ min: 0, max: 1e5, noNaN: true }), (gaps, start) => {
        const { at } = clockAt();
        let elapsed = 0;
        for (const gap of gaps) {
          elapsed += gap;
          expect(at(elapsed, start + elapsed)).not.toBeNull();
        }
      }),
    );
  });
});
