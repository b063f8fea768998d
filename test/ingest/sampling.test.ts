import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Complaints } from '../../src/ingest/complaints.ts';
import { FrameClock } from '../../src/ingest/frame-clock.ts';
import { cellOf, gridOf, selectFilter, toTicks } from '../../src/ingest/sampling.ts';

const fromZero = { startSeconds: 0 };

describe('the grid', () => {
  it('has no cell with two frames of a video at the rate asked for, whatever the container rounds to', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 120 }),
        fc.constantFrom(1000, 90_000, 12_800),
        (framesPerSecond, ticksPerSecond) => {
          const grid = gridOf({ kind: 'RATE', framesPerSecond }, fromZero)!;
          const cells = Array.from({ length: 500 }, (_, index) => {
            const rounded = Math.round((index / framesPerSecond) * ticksPerSecond) / ticksPerSecond;
            return cellOf(grid, toTicks(rounded));
          });
          expect(cells).toEqual(cells.map((_, index) => index));
        },
      ),
    );
  });

  it('is none where every frame is wanted', () => {
    expect(gridOf({ kind: 'EVERY_FRAME' }, fromZero)).toBeNull();
    expect(selectFilter(null, null)).toBeNull();
  });
});

describe('the clock', () => {
  const clockOf = (framesPerSecond: number | null, afterPtsSeconds?: number) =>
    new FrameClock({
      grid: framesPerSecond === null ? null : gridOf({ kind: 'RATE', framesPerSecond }, fromZero),
      ...(afterPtsSeconds === undefined ? {} : { afterPtsSeconds }),
      frameTicks: 40_000_000,
    });
  const times = (clock: FrameClock, seconds: readonly number[]) => seconds.map((time) => clock.timeOf(toTicks(time)));

  it('gives times that only run forward, whatever the file says', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: -1e12, max: 1e12 })), { maxLength: 60 }), (ticks) => {
        const clock = clockOf(null);
        const given = ticks.map((tick) => clock.timeOf(tick)).filter((time) => time !== null);
        for (const [index, time] of given.entries()) if (index > 0) expect(time).toBeGreaterThan(given[index - 1]!);
        const leftOut = clock.warnings().find(({ message }) => message.includes('left out'))?.count ?? 0;
        expect(given.length + leftOut).toBe(ticks.length);
      }),
    );
  });

  it('leaves out what is a little out of order and counts it', () => {
    const clock = clockOf(null);
    expect(times(clock, [0, 0.08, 0.04, 0.08, 0.12])).toEqual([0, 0.08, null, null, 0.12]);
    expect(clock.warnings()).toEqual([expect.objectContaining({ code: 'MEDIA_DAMAGED', count: 2 })]);
  });

  it('counts on where the times begin anew', () => {
    expect(times(clockOf(null), [5, 5.04, 0, 0.04])).toEqual([5, 5.04, 5.08, 5.12]);
  });

  it('gives one frame a cell, also across a new beginning', () => {
    expect(times(clockOf(1), [0, 0.5, 1.2, 1.3, 0, 0.4, 1])).toEqual([
      0,
      null,
      1.2,
      null,
      expect.closeTo(1.24),
      null,
      expect.closeTo(2.24),
    ]);
  });

  it('leaves out what was had before without counting it', () => {
    const clock = clockOf(null, 0.08);
    expect(times(clock, [0.04, 0.08, 0.12])).toEqual([null, null, 0.12]);
    expect(clock.warnings()).toEqual([]);
  });
});

describe('complaints', () => {
  const text = [
    '[h264 @ 0x1] [error] error while decoding MB 0 21, bytestream 4252',
    '    Last message repeated 3 times',
    '[mov,mp4 @ 0x1] [warning] Packet corrupt (stream = 0, dts = 44032).',
    '[mov,mp4 @ 0x1] [error] stream 0, offset 0x51e29: partial file',
    '[rawvideo @ 0x1] [error] Application provided invalid, non monotonically increasing dts',
    '',
  ].join('\n');

  it('are counted by what they mean, however the text is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const complaints = new Complaints();
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        for (const [index, from] of at.entries()) complaints.add(text.slice(from, at[index + 1] ?? from));
        expect(complaints.warnings().map(({ count }) => count)).toEqual([4, 1]);
      }),
    );
  });

  it('stay small however many there are and however long', () => {
    const complaints = new Complaints();
    for (let line = 0; line < 10_000; line += 1) complaints.add(`[error] line ${line} ${'x'.repeat(500)}\n`);
    for (let piece = 0; piece < 100; piece += 1) complaints.add('y'.repeat(10_000));
    complaints.end();
    expect(complaints.text().length).toBeLessThan(20_000);
    expect(complaints.text()).toContain('line 0 ');
    expect(complaints.text()).toContain('line 9999 ');
    expect(complaints.warnings()).toEqual([expect.objectContaining({ count: 10_000 })]);
  });
});
