/** Which ffmpeg and ffprobe are there, asked once at the start instead of at the first video. */
import { AppError } from '../errors.ts';
import { UNLIMITED } from './media-limits.ts';
import { MediaProcess } from './media-process.ts';

type Program = 'ffmpeg' | 'ffprobe';

interface Asking {
  readonly signal?: AbortSignal;
}

/** `-fps_mode`, without which no frame comes, came with it. */
const LEAST = { major: 5, minor: 1 };
/** Enough for the line with the version; the rest says how it was built. */
const WORDS_KEPT = 1000;

/**
 * Errors: FFMPEG_MISSING when one of the two cannot be started, does not even tell its version, or is too old; ABORTED.
 * What is built from a checkout tells no number, and is taken.
 */
export async function checkFfmpeg(options: Asking = {}): Promise<void> {
  await Promise.all((['ffmpeg', 'ffprobe'] as const).map((program) => checkProgram(program, options)));
}

/** As ffmpeg says it, such as `5.1.9-0+deb12u1`; `null` where it says nothing that can be read, or is not there. */
export async function ffmpegVersion(): Promise<string | null> {
  const told = await tellVersion('ffmpeg').catch(() => null);
  return /^ffmpeg version (\S+)/.exec(told?.words ?? '')?.[1] ?? null;
}

async function checkProgram(program: Program, options: Asking): Promise<void> {
  const { words, code } = await tellVersion(program, options);
  if (options.signal?.aborted === true) return;
  if (code !== 0) throw unusable(`${program} does not work (it ended with ${code})`);
  const [, major, minor] = /^\w+ version n?(\d+)\.(\d+)/.exec(words) ?? [];
  if (major === undefined) return;
  const isOld = Number(major) < LEAST.major || (Number(major) === LEAST.major && Number(minor) < LEAST.minor);
  if (isOld) throw unusable(`${program} is of version ${major}.${minor}`);
}

async function tellVersion(program: Program, options: Asking = {}): Promise<{ words: string; code: number | null }> {
  await using running = await MediaProcess.start(program, ['-version'], { ...options, limits: UNLIMITED });
  let words = '';
  // It only ends when all of its words have been read.
  for await (const chunk of running.output) words = (words + String(chunk)).slice(0, WORDS_KEPT);
  const { code } = await running.closed;
  return { words, code };
}

function unusable(what: string): AppError {
  return new AppError('FFMPEG_MISSING', `${what}; install ffmpeg ${LEAST.major}.${LEAST.minor} or later.`);
}
