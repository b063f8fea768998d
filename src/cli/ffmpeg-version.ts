/** Which ffmpeg reads the videos of this machine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const TIMEOUT_MS = 10_000;

/** As ffmpeg says it, such as `5.1.9-0+deb12u1`; `null` where it says nothing that can be read. */
export async function ffmpegVersion(): Promise<string | null> {
  // Like the ffmpeg that decodes: it gets PATH and nothing else of the environment.
  const options = { env: { PATH: process.env.PATH }, timeout: TIMEOUT_MS };
  const { stdout } = await promisify(execFile)('ffmpeg', ['-version'], options).catch(() => ({ stdout: '' }));
  return /^ffmpeg version (\S+)/.exec(stdout)?.[1] ?? null;
}
