import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeFrameCursor,
  decodeImageCursor,
  decodeStreamCursor,
  decodeTrackCursor,
  encodeFrameCursor,
  encodeImageCursor,
  encodeStreamCursor,
  encodeTrackCursor,
} from '../../src/store/index.ts';

const id = fc.uuid();
const sequence = fc.integer({ min: 0, max: 2 ** 40 });

describe('cursors', () => {
  test('of frames, tracks, streams and pictures are read as they were written', () => {
    fc.assert(
      fc.property(
        id,
        sequence,
        fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31T00:00:00.000Z') }),
        (stream, number, createdAt) => {
          expect(decodeFrameCursor(stream, encodeFrameCursor(stream, number))).toBe(number);
          expect(decodeTrackCursor(stream, encodeTrackCursor(stream, number))).toBe(number);
          expect(decodeStreamCursor(encodeStreamCursor({ id: stream, createdAt }))).toEqual({ id: stream, createdAt });
          expect(decodeImageCursor(encodeImageCursor({ id: stream, createdAt }))).toEqual({ id: stream, createdAt });
        },
      ),
    );
  });

  test('of another stream or another list are refused', () => {
    fc.assert(
      fc.property(id, id, sequence, (mine, other, number) => {
        fc.pre(mine !== other);
        const invalid = expect.objectContaining({ code: 'CURSOR_INVALID' });
        expect(() => decodeFrameCursor(mine, encodeFrameCursor(other, number))).toThrow(invalid);
        expect(() => decodeFrameCursor(mine, encodeTrackCursor(mine, number))).toThrow(invalid);
        expect(() => decodeStreamCursor(encodeFrameCursor(mine, number))).toThrow(invalid);
        const place = { id: mine, createdAt: new Date(number) };
        expect(() => decodeImageCursor(encodeStreamCursor(place))).toThrow(invalid);
        expect(() => decodeStreamCursor(encodeImageCursor(place))).toThrow(invalid);
      }),
    );
  });

  test('that are any other text are refused as such, never with another error', () => {
    const text = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.string().map((raw) => Buffer.from(`f|${raw}|s`).toString('base64url')),
    );
    fc.assert(
      fc.property(text, (any) => {
        for (const decode of [
          () => decodeFrameCursor('s', any),
          () => decodeTrackCursor('s', any),
          () => decodeStreamCursor(any),
          () => decodeImageCursor(any),
        ]) {
          try {
            decode();
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: 'CURSOR_INVALID' });
          }
        }
      }),
    );
    for (const bad of [
      '',
      '!',
      'null',
      Buffer.from('f|-1|s').toString('base64url'),
      Buffer.from('f|1e3|s').toString('base64url'),
    ]) {
      expect(() => decodeFrameCursor('s', bad)).toThrow(expect.objectContaining({ code: 'CURSOR_INVALID' }));
    }
  });
});
