import { expect, test } from 'vitest';
import type { FrameFragment } from '../../web/src/generated/graphql.ts';
import { TRAIL_SECONDS, withFrame } from '../../web/src/streams/live-frames.ts';

test('keeps the frames of the last seconds and no others', () => {
  let frames: readonly FrameFragment[] = [];
  for (let second = 0; second < 100; second += 0.5) frames = withFrame(frames, { ptsSeconds: second } as FrameFragment);
  expect(frames.map(({ ptsSeconds }) => ptsSeconds)).toEqual(
    Array.from({ length: TRAIL_SECONDS * 2 + 1 }, (_, index) => 99.5 - TRAIL_SECONDS + index / 2),
  );
  expect(withFrame(frames, { ptsSeconds: 1000 } as FrameFragment)).toHaveLength(1);
});
