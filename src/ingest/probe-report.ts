/** Reads ffprobe's JSON into the facts of a medium. */
import { z } from 'zod';
import type { MediaFacts } from '../domain.ts';
import { AppError } from '../errors.ts';

const text = z.string().optional();

const reportShape = z.object({
  streams: z
    .array(
      z.object({
        codec_type: text,
        codec_name: text,
        width: z.number().optional(),
        height: z.number().optional(),
        sample_aspect_ratio: text,
        avg_frame_rate: text,
        start_time: text,
        duration: text,
        disposition: z.object({ attached_pic: z.number().optional() }).optional(),
        side_data_list: z.array(z.object({ rotation: z.number().optional() })).optional(),
      }),
    )
    .default([]),
  format: z.object({ format_name: text, start_time: text, duration: text }).default({}),
});

type ProbedStream = z.infer<typeof reportShape>['streams'][number];

/** Pixels that are more than four times as long as wide are a broken header, not a lens. */
const MAX_PIXEL_ASPECT = 4;

/**
 * The facts of the first video track that is no cover picture. Errors: MEDIA_UNSUPPORTED, MEDIA_WITHOUT_VIDEO,
 * MEDIA_DAMAGED (a video track without a size).
 */
export function factsOfReport(json: string, sizeBytes: number): MediaFacts {
  const { streams, format } = parseReport(json);
  const video = streams.find((stream) => stream.codec_type === 'video' && stream.disposition?.attached_pic !== 1);
  if (video === undefined) {
    if (streams.length === 0) throw new AppError('MEDIA_UNSUPPORTED', 'The file holds no track that can be read.');
    throw new AppError('MEDIA_WITHOUT_VIDEO', 'The file has no video track; send one that shows a picture.');
  }
  const { width: storedWidth = 0, height: storedHeight = 0 } = video;
  if (storedWidth <= 0 || storedHeight <= 0) {
    throw new AppError(
      'MEDIA_DAMAGED',
      "The size of the video's picture cannot be read; the file is damaged or cut off.",
    );
  }
  const rotationDegrees = rotationOf(video);
  const shownWidth = Math.max(1, Math.round(storedWidth * pixelAspect(video.sample_aspect_ratio)));
  const lying = rotationDegrees === 90 || rotationDegrees === 270;
  return {
    sizeBytes,
    durationSeconds: seconds(video.duration) ?? seconds(format.duration),
    width: lying ? storedHeight : shownWidth,
    height: lying ? shownWidth : storedHeight,
    rotationDegrees,
    videoCodec: video.codec_name ?? 'unknown',
    container: format.format_name ?? 'unknown',
    framesPerSecond: positiveRatio(video.avg_frame_rate, '/'),
    startSeconds: seconds(video.start_time) ?? seconds(format.start_time) ?? 0,
  };
}

function parseReport(json: string): z.infer<typeof reportShape> {
  try {
    return reportShape.parse(JSON.parse(json));
  } catch (cause) {
    throw new AppError('MEDIA_UNSUPPORTED', 'What ffprobe says of the file cannot be understood.', { cause });
  }
}

/** Clockwise turn that makes the picture upright, [0, 360). ffprobe gives the counter-clockwise one, [-180, 180]. */
function rotationOf(stream: ProbedStream): number {
  const turned = stream.side_data_list?.find(({ rotation }) => rotation !== undefined)?.rotation ?? 0;
  return (((-Math.round(turned) % 360) + 360) % 360) + 0;
}

function pixelAspect(ratio: string | undefined): number {
  const aspect = positiveRatio(ratio, ':') ?? 1;
  return aspect > MAX_PIXEL_ASPECT || aspect < 1 / MAX_PIXEL_ASPECT ? 1 : aspect;
}

/** `null` for anything that is no ratio above 0, such as "0/0" and "N/A". */
function positiveRatio(ratio: string | undefined, separator: string): number | null {
  const [over = Number.NaN, under = Number.NaN] = (ratio ?? '').split(separator).map(Number);
  const value = over / under;
  return Number.isFinite(value) && value > 0 ? value : null;
}

function seconds(value: string | undefined): number | null {
  const parsed = value === undefined || value === '' ? Number.NaN : Number(value);
  return Number.isFinite(parsed) ? parsed : null;
}
