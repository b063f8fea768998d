import { describe, expect, it } from 'vitest';
import { LivePace } from '../../src/pipeline/live-pace.ts';
import { EVERY_FRAME, rate } from '../ingest/fixtures/media.ts';

const LIMITS = { stallSeconds: 10 };

function playlist(targetSeconds: number) {
  return { playlist: { targetSeconds, hasEnded: false, segmentsFailed: 0, lastFailed: false } };
}

describe('the pace of a live source', () => {
  it.each([
    ['the setting', rate(5), 0, 10],
    ['three frames of a slow sampling', rate(0.1), 0, 30],
    ['the setting where segments are short', rate(5), 4, 10],
    ['two segments of a playlist', EVERY_FRAME, 12, 24],
    ['two minutes, whatever a playlist claims', EVERY_FRAME, 1e9, 120],
  ])('takes a source for silent after %s', (_, sampling, targetSeconds, stallSeconds) => {
    const pace = new LivePace(LIMITS, sampling);
    pace.connected({ isRecording: false }, playlist(targetSeconds));
    expect([pace.stallSeconds, pace.maxGapSeconds]).toEqual([stallSeconds, stallSeconds]);
  });

  it('follows what the source turns out to be, connection by connection', () => {
    const pace = new LivePace(LIMITS, EVERY_FRAME);
    const opened: { playlist?: ReturnType<typeof playlist>['playlist'] } = {};
    pace.connected({ isRecording: false }, opened);
    expect(pace.stallSeconds).toBe(10);
    Object.assign(opened, playlist(8));
    expect(pace.stallSeconds).toBe(16);
    pace.connected({ isRecording: true }, {});
    expect([pace.stallSeconds, pace.maxGapSeconds]).toEqual([10, Number.POSITIVE_INFINITY]);
  });
});
