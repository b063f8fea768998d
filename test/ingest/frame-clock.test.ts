import { expect, test } from 'vitest';
import { FrameClock } from '../../src/ingest/frame-clock.ts';
import { TICKS_PER_SECOND } from '../../src/ingest/sampling.ts';

const frameTicks = TICKS_PER_SECOND / 25;
const ticks = (frames: number): number => frames * frameTicks;

test('counts the frames that it leaves out', () => {
  const clock = new FrameClock({ grid: null, frameTicks });
  expect([null, ticks(0), ticks(1), ticks(1), ticks(2)].map((one) => clock.timeOf(one))).toEqual([
    null,
    0,
    expect.closeTo(0.04, 6),
    null,
    expect.closeTo(0.08, 6),
  ]);
  expect(clock.warnings()).toMatchObject([{ code: 'MEDIA_DAMAGED', count: 2 }]);
});

test('a run that reads again counts only what an earlier one has not had', () => {
  const clock = new FrameClock({ grid: null, frameTicks, afterPtsSeconds: 0.04 });
  const read = [null, ticks(0), ticks(0), ticks(1), ticks(2), ticks(2), ticks(3)].map((one) => clock.timeOf(one));
  expect(read.filter((seconds) => seconds !== null)).toEqual([expect.closeTo(0.08, 6), expect.closeTo(0.12, 6)]);
  expect(clock.warnings()).toMatchObject([{ code: 'MEDIA_DAMAGED', count: 1 }]);
});
