import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PushClock } from '../../src/pipeline/push-clock.ts';

function clockAt(lastPtsSeconds: number | null = null) {
  const wall = { ms: 1_000_000 };
  const clock = new PushClock({ openedAtMs: 1_000_000, lastPtsSeconds, now: () => wall.ms });
  /** The picture with this time of the client, at this many seconds since the stream was opened. */
  function asked(wallSeconds: number, capturedAtMs: number | null): number | null {
    wall.ms = 1_000_000 + wallSeconds * 1000;
    return clock.timeOf(capturedAtMs);
  }
  return {
    asked,
    /** The same, and it is stored. */
    at(wallSeconds: number, capturedAtMs: number | null): number | null {
      const ptsSeconds = asked(wallSeconds, capturedAtMs);
      if (ptsSeconds !== null) clock.stored({ capturedAtMs, ptsSeconds });
      return ptsSeconds;
    },
  };
}

describe('the time of a pushed stream', () => {
  test("begins with the wall clock and goes on by the client's, however far that steps", () => {
    const { at } = clockAt();
    expect(at(2, 5_000_000)).toBe(2);
    expect(at(2.1, 5_060_000)).toBe(62);
    expect(at(2.2, 5_060_200)).toBeCloseTo(62.2, 9);
    expect(at(2.3, 5_060_200 + 86_400_000)).toBeCloseTo(62.2 + 86_400, 9);
  });

  test('is refused to a picture that was not taken after the one before, by however much', () => {
    const { at } = clockAt();
    at(0, 10_000);
    for (const capturedAtMs of [10_000, 9_999, 5_000, 0]) expect(at(1, capturedAtMs)).toBeNull();
    expect(at(2, 10_001)).toBeCloseTo(0.001, 9);
  });

  test('does not go on by a picture that is not stored, which may come again', () => {
    const { asked, at } = clockAt();
    expect(asked(1, 10_000)).toBe(1);
    expect(at(2, 10_000)).toBe(2);
    expect(asked(3, 11_000)).toBe(3);
    expect(at(9, 11_000)).toBe(3);
  });

  test('is that of the arrival where the client tells none, and takes up its clock after that', () => {
    const { at } = clockAt();
    expect(at(1, null)).toBe(1);
    expect(at(1, null)).toBeCloseTo(1.001, 9);
    expect(at(2, 10_000)).toBe(2);
    expect(at(8, null)).toBe(8);
    // Later than the one before that told its time, and still after all of them.
    expect(at(8, 11_000)).toBeCloseTo(8.001, 9);
    expect(at(8.1, 14_000)).toBeCloseTo(11.001, 9);
  });

  test('goes on after the last picture of an earlier run of the server', () => {
    expect(clockAt(50).at(60, 7)).toBe(60);
    expect(clockAt(50).at(10, 7)).toBeCloseTo(50.001, 9);
  });

  test('always rises, whatever the clocks of client and server do', () => {
    const event = fc.record({
      wallSeconds: fc.double({ min: -100, max: 100, noNaN: true }),
      capturedAtMs: fc.oneof(fc.constant(null), fc.integer({ min: -1e12, max: 1e12 })),
      isStored: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const { asked, at } = clockAt();
        let last = Number.NEGATIVE_INFINITY;
        for (const { wallSeconds, capturedAtMs, isStored } of events) {
          const seconds = (isStored ? at : asked)(wallSeconds, capturedAtMs);
          if (seconds === null) continue;
          expect(seconds).toBeGreaterThan(last);
          if (isStored) last = seconds;
        }
      }),
    );
  });
});
