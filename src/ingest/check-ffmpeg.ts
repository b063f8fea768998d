/** Whether ffmpeg and ffprobe are there, asked once at the start instead of at the first video. */
import { AppError } from '../errors.ts';
import { UNLIMITED } from './media-limits.ts';
import { MediaProcess } from './media-process.ts';

/** Errors: FFMPEG_MISSING when one of the two cannot be started or does not even tell its version; ABORTED. */
export async function checkFfmpeg(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  await Promise.all((['ffmpeg', 'ffprobe'] as const).map((program) => checkProgram(program, options)));
}

async function checkProgram(program: 'ffmpeg' | 'ffprobe', options: { readonly signal?: AbortSignal }): Promise<void> {
  await using running = await MediaProcess.start(program, ['-version'], { ...options, limits: UNLIMITED });
  for await (const _ of running.output) {
    // Its words do not matter, but it only ends when they have been read.
  }
  const { code } = await running.closed;
  if (code === 0 || options.signal?.aborted === true) return;
  throw new AppError(
    'FFMPEG_MISSING',
    `${program} does not work (it ended with ${code}); install ffmpeg 5.1 or later.`,
  );
}
