import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWholeFile } from '../../src/cli/whole-file.ts';
import { temporaryFolder } from '../pipeline/support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let path: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  path = join(folder.path, 'rows.csv');
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

describe('a whole file', () => {
  it('is at its place when it is finished, over what was there, and nowhere else', async () => {
    await writeFile(path, 'what was there before, and is longer');
    {
      await using file = await openWholeFile(path);
      await file.write('one');
      await file.write(' two');
      expect(await readFile(path, 'utf8')).toContain('before');
      await file.finish();
    }
    expect(await readFile(path, 'utf8')).toBe('one two');
    expect(await readdir(folder.path)).toEqual(['rows.csv']);
  });

  it('leaves nothing, and what was there, when it is not finished', async () => {
    await writeFile(path, 'before');
    {
      await using file = await openWholeFile(path);
      await file.write('x'.repeat(100_000));
    }
    expect(await readFile(path, 'utf8')).toBe('before');
    expect(await readdir(folder.path)).toEqual(['rows.csv']);
  });

  it('takes the place of a part that a killed program left, and does not write through a link in its place', async () => {
    const precious = join(folder.path, 'precious');
    await writeFile(precious, 'precious');
    await symlink(precious, `${path}.part`);
    await using file = await openWholeFile(path);
    await file.write('rows');
    await file.finish();
    expect(await readFile(precious, 'utf8')).toBe('precious');
    expect(await readFile(path, 'utf8')).toBe('rows');
  });

  it('cannot be finished over a folder, and leaves no part then', async () => {
    await mkdir(path);
    const finishing = async () => {
      await using file = await openWholeFile(path);
      await file.finish();
    };
    await expect(finishing()).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await readdir(folder.path)).toEqual(['rows.csv']);
  });

  it.each(['nowhere/rows.csv', `${'n'.repeat(251)}.csv`])('cannot be opened as %s', async (name) => {
    await expect(openWholeFile(join(folder.path, name))).rejects.toMatchObject({ code: 'BAD_INPUT' });
  });
});
