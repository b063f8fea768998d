import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeStill, type StillPicture } from '../../src/frames/index.ts';
import { codeOf } from '../ingest/fixtures/media.ts';

const LIMITS = { maxPixels: 1_000_000, maxSidePixels: 500 };

/** Left half red, right half blue. */
async function twoHalves(width = 60, height = 40): Promise<Sharp> {
  const right = await sharp({ create: { width: width / 2, height, channels: 3, background: '#0000ff' } })
    .png()
    .toBuffer();
  const whole = await sharp({ create: { width, height, channels: 3, background: '#ff0000' } })
    .composite([{ input: right, left: width / 2, top: 0 }])
    .png()
    .toBuffer();
  return sharp(whole);
}

function box(type: string, ...parts: readonly (string | Uint8Array | readonly number[])[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  );
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A picture of 64x64 as telephones keep it: a frame of HEVC, out of the MP4 that ffmpeg writes, as the one item of a HEIF. */
async function heic(majorBrand: string): Promise<Buffer> {
  const source = '-nostdin -v error -f lavfi -i testsrc2=s=64x64:r=1:d=1 -frames:v 1 -pix_fmt yuv420p';
  const coded = '-c:v libx265 -x265-params log-level=none:info=0 -tag:v hvc1';
  const words = `${source} ${coded} -f mp4 -movflags frag_keyframe+empty_moov pipe:1`.split(' ');
  const { stdout: mp4 } = await promisify(execFile)('ffmpeg', words, { encoding: 'buffer' });
  const whole = (type: string): Buffer => {
    const at = mp4.indexOf(type) - 4;
    return mp4.subarray(at, at + mp4.readUInt32BE(at));
  };
  const frame = whole('mdat').subarray(8);
  const zero = u32(0);
  const meta = (offset: number): Buffer =>
    box(
      'meta',
      zero,
      box('hdlr', zero, zero, 'pict', zero, zero, zero, '\0'),
      box('pitm', zero, [0, 1]),
      box('iloc', zero, [0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1], u32(offset), u32(frame.length)),
      box('iinf', zero, [0, 1], box('infe', [2, 0, 0, 0, 0, 1, 0, 0], 'hvc1\0')),
      box(
        'iprp',
        box('ipco', whole('hvcC'), box('ispe', zero, u32(64), u32(64))),
        box('ipma', zero, u32(1), [0, 1, 2, 0x81, 2]),
      ),
    );
  const type = box('ftyp', majorBrand, zero, 'mif1heic');
  return Buffer.concat([type, meta(type.length + meta(0).length + 8), box('mdat', frame)]);
}

function pixel({ image }: StillPicture, x: number, y: number): number[] {
  const at = (y * image.width + x) * 3;
  return [...image.rgb.subarray(at, at + 3)];
}

function expectNear(actual: readonly number[], expected: readonly number[], tolerance = 12): void {
  for (const [index, value] of expected.entries())
    expect(Math.abs(actual[index]! - value)).toBeLessThanOrEqual(tolerance);
}

describe('a picture', () => {
  it.each(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const)(
    'of the kind %s becomes packed RGB',
    async (kind) => {
      const still = await decodeStill(await (await twoHalves()).toFormat(kind).toBuffer(), LIMITS);
      expect(still).toMatchObject({ sourceWidth: 60, sourceHeight: 40, image: { width: 60, height: 40 } });
      expect(still.image.rgb).toHaveLength(60 * 40 * 3);
      expectNear(pixel(still, 10, 20), [255, 0, 0]);
      expectNear(pixel(still, 50, 20), [0, 0, 255]);
    },
  );

  it('has memory of its own that can be handed to a thread', async () => {
    const { image } = await decodeStill(await (await twoHalves()).jpeg().toBuffer(), LIMITS);
    expect(image.rgb.buffer.byteLength).toBe(image.rgb.byteLength);
    structuredClone(image.rgb, { transfer: [image.rgb.buffer as ArrayBuffer] });
    expect(image.rgb.byteLength).toBe(0);
  });

  it.each([
    [1, 60, 40, [10, 20], [50, 20]],
    [3, 60, 40, [50, 20], [10, 20]],
    [6, 40, 60, [20, 10], [20, 50]],
    [8, 40, 60, [20, 50], [20, 10]],
  ] as const)('of EXIF orientation %i is turned upright', async (orientation, width, height, red, blue) => {
    const still = await decodeStill(await (await twoHalves()).withMetadata({ orientation }).jpeg().toBuffer(), LIMITS);
    expect(still).toMatchObject({ sourceWidth: width, sourceHeight: height, image: { width, height } });
    expectNear(pixel(still, red[0], red[1]), [255, 0, 0]);
    expectNear(pixel(still, blue[0], blue[1]), [0, 0, 255]);
  });

  it('is made no larger than asked and never larger than it is', async () => {
    const bytes = await (await twoHalves(900, 300)).jpeg().toBuffer();
    const still = await decodeStill(bytes, LIMITS);
    expect(still).toMatchObject({ sourceWidth: 900, sourceHeight: 300, image: { width: 500, height: 167 } });
    expect((await decodeStill(bytes, { ...LIMITS, maxSidePixels: 5000 })).image.width).toBe(900);
  });

  it('shows white where it is transparent', async () => {
    const clear = {
      create: { width: 8, height: 8, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0 } },
    } as const;
    expect(pixel(await decodeStill(await sharp(clear).png().toBuffer(), LIMITS), 4, 4)).toEqual([255, 255, 255]);
  });

  it('gives its first frame when it moves', async () => {
    const frames = await Promise.all(
      ['#ff0000', '#0000ff', '#00ff00'].map((background) =>
        sharp({ create: { width: 20, height: 10, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    for (const kind of ['gif', 'webp'] as const) {
      const bytes = await sharp(frames, { join: { animated: true } })
        .toFormat(kind)
        .toBuffer();
      const still = await decodeStill(bytes, LIMITS);
      expect(still).toMatchObject({ sourceWidth: 20, sourceHeight: 10, image: { width: 20, height: 10 } });
      expectNear(pixel(still, 5, 5), [255, 0, 0]);
    }
  });

  it('is RGB also from grey, 16 bits and CMYK', async () => {
    const grey = await sharp({ create: { width: 9, height: 9, channels: 3, background: '#808080' } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    expect((await sharp(grey).metadata()).channels).toBe(1);
    expectNear(pixel(await decodeStill(grey, LIMITS), 4, 4), [128, 128, 128], 1);

    const greyAlpha = await sharp(grey).ensureAlpha().png().toBuffer();
    expectNear(pixel(await decodeStill(greyAlpha, LIMITS), 4, 4), [128, 128, 128], 1);

    const deep = await (await twoHalves()).toColourspace('rgb16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expectNear(pixel(await decodeStill(deep, LIMITS), 10, 20), [255, 0, 0], 1);

    const cmyk = await (await twoHalves()).toColourspace('cmyk').jpeg().toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    const [red, , blue] = pixel(await decodeStill(cmyk, LIMITS), 10, 20);
    expect(red! - blue!).toBeGreaterThan(120);
  });

  it('has the colours of sRGB whatever profile it carries', async () => {
    const wide = await (await twoHalves()).withIccProfile('p3').png().toBuffer();
    expectNear(pixel(await decodeStill(wide, LIMITS), 10, 20), [255, 0, 0], 3);
  });
});

describe('what is refused', () => {
  it('has more pixels than the limit, by its header alone', async () => {
    const huge = await sharp({ create: { width: 10_000, height: 10_000, channels: 3, background: 'black' } })
      .png({ compressionLevel: 1 })
      .toBuffer();
    const before = process.memoryUsage().rss;
    expect(await codeOf(decodeStill(huge, { ...LIMITS, maxPixels: 50_000_000 }))).toBe('PICTURE_TOO_LARGE');
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  });

  it('is nothing, text, SVG or a PDF', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    for (const text of ['', 'no picture', svg, `<?xml version="1.0"?>${svg}`, '%PDF-1.4\n']) {
      expect([text, await codeOf(decodeStill(Buffer.from(text), LIMITS))]).toEqual([text, 'MEDIA_UNSUPPORTED']);
    }
  });

  it.each(['heic', 'mif1'])('is HEIC (%s), which is whole but cannot be decoded here', async (majorBrand) => {
    const bytes = await heic(majorBrand);
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 64, height: 64, compression: 'hevc' });
    await expect(decodeStill(bytes, LIMITS)).rejects.toMatchObject({
      code: 'MEDIA_UNSUPPORTED',
      message: expect.stringMatching(/HEIC.*JPEG, PNG, WebP or AVIF/),
    });
  });

  it.each(['jpeg', 'png', 'webp'] as const)('is cut off: %s', async (kind) => {
    const noise = Buffer.from(Array.from({ length: 120 * 120 * 3 }, (_, index) => (index * index * 31) % 251));
    const bytes = await sharp(noise, { raw: { width: 120, height: 120, channels: 3 } })
      .toFormat(kind)
      .toBuffer();
    expect(await codeOf(decodeStill(bytes.subarray(0, bytes.length / 2), LIMITS))).toMatch(
      /^MEDIA_(DAMAGED|UNSUPPORTED)$/,
    );
    if (kind === 'jpeg')
      expect(await codeOf(decodeStill(bytes.subarray(0, bytes.length / 2), LIMITS))).toBe('MEDIA_DAMAGED');
  });
});
