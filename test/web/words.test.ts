import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { affectText, countText, percentText, timeText } from '../../web/src/parts/words.ts';

describe('times', () => {
  test.each([
    [0, 0, '0:00'],
    [7.25, 2, '0:07.25'],
    [59.999, 2, '1:00.00'],
    [750, 0, '12:30'],
    [3723, 0, '1:02:03'],
    [-1.5, 1, '−0:01.5'],
    [-0.001, 1, '0:00.0'],
  ])('%d s with %d digits read %s', (seconds, digits, text) => {
    expect(timeText(seconds, digits)).toBe(text);
  });

  test('of any length can be read back', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (seconds) => {
        const read = timeText(seconds, 3)
          .split(':')
          .reduce((sum, part) => sum * 60 + Number(part), 0);
        expect(Math.abs(read - seconds)).toBeLessThanOrEqual(0.000_51);
      }),
    );
  });
});

test('affect has a true minus, and none before nothing', () => {
  expect([0.456, -0.3, -0.001, 0].map(affectText)).toEqual(['0.46', '−0.30', '0.00', '0.00']);
});

test('shares and counts read as people write them', () => {
  expect(percentText(0.876)).toBe('88 %');
  expect([1, 2, 12_345].map((count) => countText(count, 'face'))).toEqual(['1 face', '2 faces', '12,345 faces']);
});
