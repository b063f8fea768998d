import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { checkFfmpeg } from '../../src/ingest/index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'circumplex-programs-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Programs of these names that tell this version come first on the path. */
async function withVersion(words: string): Promise<void> {
  for (const name of ['ffmpeg', 'ffprobe']) {
    await writeFile(
      join(folder, name),
      `#!/bin/sh\necho "${name} version ${words} Copyright (c) 2000"\nyes built | head -1000\n`,
    );
    await chmod(join(folder, name), 0o755);
  }
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH}`);
}

it('takes the ffmpeg that is installed', async () => {
  await expect(checkFfmpeg()).resolves.toBeUndefined();
});

it.each(['5.1', '5.1.9-0+deb12u1', '6.0', '10.1', 'n9.0.2-17-g2a571b6068', 'N-112233-gabcdef', '2026-11-01-git-abc'])(
  'takes version %s',
  async (words) => {
    await withVersion(words);
    await expect(checkFfmpeg()).resolves.toBeUndefined();
  },
);

it.each(['4.4.2-0ubuntu0.22.04.1', 'n5.0.3', '3.4'])('refuses version %s, and says which it wants', async (words) => {
  await withVersion(words);
  await expect(checkFfmpeg()).rejects.toMatchObject({
    code: 'FFMPEG_MISSING',
    message: expect.stringMatching(/is of version \d\.\d; install ffmpeg 5\.1 or later/),
  });
});
