/** ffmpeg that takes its time over a video, so that no machine is done with it before a test interferes. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Of the time that the video plays: one of 6 s takes 24 s, 6 of its 25 frames come a second. */
const READ_RATE = 0.25;

/** A PATH whose ffmpeg, made in this folder, reads files no faster than so. What it becomes is the real one. */
export async function pathOfSlowFfmpeg(folder: string): Promise<string> {
  const real = execFileSync('sh', ['-c', 'command -v ffmpeg'], { encoding: 'utf8' }).trim();
  const programs = join(folder, 'programs');
  const ffmpeg = join(programs, 'ffmpeg');
  await mkdir(programs, { recursive: true });
  await writeFile(
    ffmpeg,
    `#!/bin/sh
case " $* " in *' -i file:'*) exec '${real}' -readrate ${READ_RATE} "$@" ;; esac
exec '${real}' "$@"
`,
  );
  await chmod(ffmpeg, 0o755);
  return [programs, process.env.PATH].join(delimiter);
}
