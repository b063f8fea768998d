import { AppError } from '../errors.ts';
import type { ImagePosition, StreamPosition } from './types.ts';

/**
 * Cursors are opaque to clients: base64url of a letter for the list, what the place is, and whose list it is, so that a
 * cursor of another stream's list is told from a right one.
 */
function encode(parts: readonly (string | number)[]): string {
  return Buffer.from(parts.join('|')).toString('base64url');
}

function decode(cursor: string, letter: string, parts: number): readonly string[] {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  const found = text.split('|');
  // Re-encoding catches what base64url decoding forgives.
  if (found.length !== parts || found[0] !== letter || encode(found) !== cursor) throw invalid();
  return found;
}

function invalid(): AppError {
  return new AppError('CURSOR_INVALID', 'The cursor is not one of this list; use one that the server gave, unchanged.');
}

function wholeNumber(text: string | undefined): number {
  if (text === undefined || !/^(0|[1-9]\d{0,14})$/.test(text)) throw invalid();
  return Number(text);
}

/** The place of a frame in its stream. */
export function encodeFrameCursor(streamId: string, sequence: number): string {
  return encode(['f', sequence, streamId]);
}

/** The sequence that a cursor stands for. Errors: CURSOR_INVALID, also for the cursor of another stream. */
export function decodeFrameCursor(streamId: string, cursor: string): number {
  const [, sequence, owner] = decode(cursor, 'f', 3);
  if (owner !== streamId) throw invalid();
  return wholeNumber(sequence);
}

/** The place of a track in its stream. */
export function encodeTrackCursor(streamId: string, trackNumber: number): string {
  return encode(['t', trackNumber, streamId]);
}

/** Errors: CURSOR_INVALID, also for the cursor of another stream. */
export function decodeTrackCursor(streamId: string, cursor: string): number {
  const [, trackNumber, owner] = decode(cursor, 't', 3);
  if (owner !== streamId) throw invalid();
  return wholeNumber(trackNumber);
}

/** The place of a stream in the list of streams. */
export function encodeStreamCursor({ id, createdAt }: StreamPosition): string {
  return encode(['s', createdAt.getTime(), id]);
}

/** Errors: CURSOR_INVALID. */
export function decodeStreamCursor(cursor: string): StreamPosition {
  return decodePosition(cursor, 's');
}

/** The place of a picture in the list of pictures. */
export function encodeImageCursor({ id, createdAt }: ImagePosition): string {
  return encode(['i', createdAt.getTime(), id]);
}

/** Errors: CURSOR_INVALID. */
export function decodeImageCursor(cursor: string): ImagePosition {
  return decodePosition(cursor, 'i');
}

function decodePosition(cursor: string, letter: string): { readonly id: string; readonly createdAt: Date } {
  const [, createdAt, id] = decode(cursor, letter, 3);
  if (id === undefined || id === '') throw invalid();
  return { id, createdAt: new Date(wholeNumber(createdAt)) };
}
