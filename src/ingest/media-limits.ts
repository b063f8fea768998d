/** What the operating system lets an ffmpeg or ffprobe have, and how to tell that it wanted more. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { AppError } from '../errors.ts';

export interface MediaLimits {
  /** Address space, which is more than memory in use: libraries, stacks and reserves count. 0 for no limit. */
  readonly memoryBytes: number;
  /** Time on the processors, all threads together; whole. 0 for no limit. */
  readonly cpuSeconds: number;
}

export const UNLIMITED: MediaLimits = { memoryBytes: 0, cpuSeconds: 0 };

/** How a process ended: its code, or the signal that killed it. */
export interface MediaExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** ffmpeg ends at the first signal if it can; a decoder that is caught in one packet is killed so much later. */
const CPU_GRACE_SECONDS = 10;
/** ffmpeg's exit code after a signal that it has caught; only the limit sends it one, since we kill outright. */
const CAUGHT_SIGNAL = 255;
/** Two threads decode, one scales, one writes. */
const CORES_AT_MOST = 4;
/** The last is what ffmpeg says of a thread that it cannot start; elsewhere the same words mean a quiet network. */
const OUT_OF_MEMORY =
  /(cannot|could not) allocate memory|out of memory|failed to map segment|decoder[^\n]*resource temporarily unavailable/i;

/**
 * What to spawn instead of a program: a shell that lowers its own limits and becomes the program, so that process id and
 * signals are the program's. Nothing of `args` is read by the shell. A limit that the system refuses is lower already.
 * macOS has no limit of address space, Windows none of these and no such shell.
 */
export function limitedCommand(program: string, args: readonly string[], limits: MediaLimits): readonly string[] {
  if (process.platform === 'win32') return [program, ...args];
  const { memoryBytes, cpuSeconds } = limits;
  const lower = [
    'ulimit -c 0',
    // Its output goes into pipes, which are no files; it has none to write.
    'ulimit -f 0',
    ...(cpuSeconds > 0 ? [`ulimit -S -t ${cpuSeconds}`, `ulimit -H -t ${cpuSeconds + CPU_GRACE_SECONDS}`] : []),
    ...(memoryBytes > 0 && process.platform !== 'darwin' ? [`ulimit -v ${Math.ceil(memoryBytes / 1024)}`] : []),
  ];
  const script = `{ ${lower.join('; ')}; unset PWD OLDPWD SHLVL; } 2>/dev/null; exec "$0" "$@"`;
  return ['/bin/sh', '-c', script, program, ...args];
}

/** Whether PATH has a program, which the shell would tell only by its own exit. */
export async function isOnPath(program: string): Promise<boolean> {
  const names = process.platform === 'win32' ? [`${program}.exe`, program] : [program];
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      const runs = await access(join(folder, name), constants.X_OK).then(
        () => true,
        () => false,
      );
      if (folder !== '' && runs) return true;
    }
  }
  return false;
}

export interface LimitedRun {
  readonly limits: MediaLimits;
  readonly exit: MediaExit;
  /** Since its start. */
  readonly elapsedSeconds: number;
  /** What it said on its standard error. */
  readonly complaints: string;
}

/**
 * MEDIA_TOO_COSTLY where a process that was ended by none of us, and failed, has run into a limit; `null` otherwise. How
 * much time it had is known to the system alone: what cannot have used it up was ended by something else.
 */
export function limitHit({ limits, exit, elapsedSeconds, complaints }: LimitedRun): AppError | null {
  const { memoryBytes, cpuSeconds } = limits;
  const { code, signal } = exit;
  const mayHaveUsed = cpuSeconds > 0 && elapsedSeconds * CORES_AT_MOST >= cpuSeconds;
  if (mayHaveUsed && (code === CAUGHT_SIGNAL || signal === 'SIGXCPU')) {
    return tooCostly(`took ${cpuSeconds} s of processor time and was not done; raise MEDIA_CPU_SECONDS`, complaints);
  }
  if (memoryBytes > 0 && code !== 0 && OUT_OF_MEMORY.test(complaints)) {
    const mebibytes = Math.floor(memoryBytes / 1024 ** 2);
    return tooCostly(`needs more than ${mebibytes} MiB of address space; raise MEDIA_MEMORY_BYTES`, complaints);
  }
  return null;
}

export function tooCostly(why: string, complaints = ''): AppError {
  return new AppError('MEDIA_TOO_COSTLY', `Decoding the video ${why} to allow it.`, {
    cause: new Error(`ffmpeg: ${complaints}`),
  });
}
