/** Still pictures of any common kind, as upright sRGB pixels. */
import sharp from 'sharp';
import type { RgbImage } from '../domain.ts';
import { AppError } from '../errors.ts';

export interface DecodeStillOptions {
  /** Pictures with more pixels are refused by their header, before anything is decoded. */
  readonly maxPixels: number;
  /** The longer side that comes out is at most this; smaller pictures keep their size. At least 1. */
  readonly maxSidePixels: number;
  /** The same for the width alone. Default no further limit. */
  readonly maxWidthPixels?: number;
}

export interface StillPicture {
  /** In an ArrayBuffer of its own, which may be transferred to another thread. */
  readonly image: RgbImage;
  /** Upright size before any scaling. */
  readonly sourceWidth: number;
  readonly sourceHeight: number;
}

// Only these loaders exist from here on, in the whole process: no SVG (it can refer to files and grow without bound when
// drawn), no PDF, nothing that comes with another build of libvips.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map((loader) => `VipsForeignLoad${loader}`),
});
// No picture is decoded twice, so a cache would only hold people's pictures in memory.
sharp.cache(false);
// Several pictures are decoded side by side; a pool of threads for each would fight with the networks for the cores.
sharp.concurrency(1);

/** What a decoder may take for one picture; 50 megapixels of JPEG take 1 s. */
const TIMEOUT_SECONDS = 30;

/** Shows through where a picture is transparent: what most pages and viewers put behind one. */
const BACKGROUND = 'white';

/** Its header can be read, its pixels by a libvips with a decoder of HEVC alone, which is patented and not shipped. */
const HEIC_REFUSED = 'HEIC pictures are not decoded here; send JPEG, PNG, WebP or AVIF.';

/** EXIF orientations from 5 on lie on their side. */
const FIRST_LYING_ORIENTATION = 5;

/**
 * Decodes JPEG, PNG, WebP, GIF, TIFF and AVIF; of several pictures in a file the first. The EXIF orientation is applied,
 * colours become 8-bit sRGB by the embedded profile, transparency becomes white. HEIC is refused where libvips lacks its
 * patented codec. Errors: MEDIA_UNSUPPORTED, MEDIA_DAMAGED (also one that is cut off), PICTURE_TOO_LARGE.
 */
export async function decodeStill(
  bytes: Uint8Array,
  { maxPixels, maxSidePixels, maxWidthPixels = maxSidePixels }: DecodeStillOptions,
): Promise<StillPicture> {
  const { width, height, coding } = await readHeader(bytes, maxPixels);
  const { data, info } = await sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error', autoOrient: true })
    .timeout({ seconds: TIMEOUT_SECONDS })
    .resize({
      width: Math.min(maxSidePixels, maxWidthPixels),
      height: maxSidePixels,
      fit: 'inside',
      withoutEnlargement: true,
    })
    .flatten({ background: BACKGROUND })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      if (coding === 'hevc') throw new AppError('MEDIA_UNSUPPORTED', HEIC_REFUSED, { cause });
      throw new AppError('MEDIA_DAMAGED', 'The picture is damaged or cut off; send the whole file.', { cause });
    });
  const image = { width: info.width, height: info.height, rgb: threeChannels(data, info.channels) };
  return { image, sourceWidth: width, sourceHeight: height };
}

interface Header {
  /** Upright. */
  readonly width: number;
  readonly height: number;
  /** What codes the pixels within HEIF: 'av1' is AVIF, 'hevc' is HEIC. */
  readonly coding: string | undefined;
}

async function readHeader(bytes: Uint8Array, maxPixels: number): Promise<Header> {
  if (bytes.length === 0) throw new AppError('MEDIA_UNSUPPORTED', 'The picture is empty.');
  const header = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw new AppError('MEDIA_UNSUPPORTED', 'The bytes are no JPEG, PNG, WebP, GIF, TIFF or AVIF picture.', {
        cause,
      });
    });
  const { width, pageHeight, height, orientation = 1, compression: coding } = header;
  if (width * height > maxPixels) {
    throw new AppError(
      'PICTURE_TOO_LARGE',
      `The picture has ${width}x${height} pixels; at most ${maxPixels} are taken (MAX_IMAGE_PIXELS). Send it smaller.`,
    );
  }
  const pictureHeight = pageHeight ?? height;
  return orientation >= FIRST_LYING_ORIENTATION
    ? { width: pictureHeight, height: width, coding }
    : { width, height: pictureHeight, coding };
}

/** A copy, since sharp's memory cannot be transferred between threads. A grey picture may come with one channel. */
function threeChannels(data: Buffer, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data);
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  const [red, green, blue] = channels >= 3 ? [0, 1, 2] : [0, 0, 0];
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    rgb[pixel * 3] = data[pixel * channels + red]!;
    rgb[pixel * 3 + 1] = data[pixel * channels + green]!;
    rgb[pixel * 3 + 2] = data[pixel * channels + blue]!;
  }
  return rgb;
}
