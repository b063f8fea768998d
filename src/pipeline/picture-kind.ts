/** Tells pictures from videos by their first bytes; names lie. */

/** Bytes from the beginning of a file that {@link looksLikePicture} wants to see. */
export const PICTURE_HEAD_BYTES = 16;

/** Major brands of ISO media files that hold pictures; those of videos (isom, mp42, qt, ...) are not among them. */
const PICTURE_BRANDS: ReadonlySet<string> = new Set(['avif', 'avis', 'heic', 'heix', 'mif1', 'msf1']);

/** Whether the bytes begin like a JPEG, PNG, GIF, WebP, TIFF, AVIF or HEIF. Says nothing of whether it can be decoded. */
export function looksLikePicture(head: Uint8Array): boolean {
  const text = String.fromCharCode(...head.subarray(0, PICTURE_HEAD_BYTES));
  if (text.startsWith('\xff\xd8\xff')) return true;
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return true;
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return true;
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return true;
  if (text.startsWith('II*\0') || text.startsWith('MM\0*')) return true;
  return text.slice(4, 8) === 'ftyp' && PICTURE_BRANDS.has(text.slice(8, 12));
}
