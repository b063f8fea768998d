import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFileOutput, isStandard, openFileOutput, openTextOutput } from '../../src/cli/text-output.ts';
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

describe('an output that must not overwrite', () => {
  it('takes a file that is missing or empty', async () => {
    for (const text of ['', undefined]) {
      if (text !== undefined) await writeFile(path, text);
      expect(await checkFileOutput(path, { overwrite: false })).toBe(true);
      await using output = await openFileOutput(path, { overwrite: false });
      expect(output.isFile).toBe(true);
    }
  });

  it('refuses a file with something in it, also one that was filled since it was looked at', async () => {
    expect(await checkFileOutput(path, { overwrite: false })).toBe(true);
    await writeFile(path, 'precious');
    const refusal = { code: 'BAD_INPUT', message: expect.stringContaining('--overwrite') };
    await expect(checkFileOutput(path, { overwrite: false })).rejects.toMatchObject(refusal);
    await expect(openFileOutput(path, { overwrite: false })).rejects.toMatchObject(refusal);
    expect(await readFile(path, 'utf8')).toBe('precious');
  });

  it('takes a device, which is no file', async () => {
    expect(await checkFileOutput('/dev/null', { overwrite: false })).toBe(false);
    await using output = await openFileOutput('/dev/null', { overwrite: false });
    await output.write('rows');
    expect(output.isFile).toBe(false);
  });
});

describe('an output that may overwrite', () => {
  it('leaves nothing of what was longer', async () => {
    await writeFile(path, 'something much longer than the rows');
    await checkFileOutput(path);
    expect(await readFile(path, 'utf8')).toContain('longer');
    {
      await using output = await openFileOutput(path);
      await output.write('one');
      await output.flush();
      await output.write(' two');
    }
    expect(await readFile(path, 'utf8')).toBe('one two');
  });
});

describe('an output that cannot be', () => {
  it('is told before it is opened', async () => {
    await mkdir(path);
    await expect(checkFileOutput(path)).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('--output-dir'),
    });
    await expect(checkFileOutput(join(folder.path, 'nowhere', 'rows.csv'))).rejects.toMatchObject({
      code: 'BAD_INPUT',
    });
  });
});

describe('standard output', () => {
  it('is no file, and known by its other names', async () => {
    const stream = new PassThrough();
    await using output = await openTextOutput(null, stream);
    expect(output.isFile).toBe(false);
    expect(await isStandard('/dev/stdout', stream)).toBe(false);
    expect(await isStandard(`/dev/fd/${process.stdout.fd}`, process.stdout)).toBe(true);
    expect(await isStandard(path, process.stdout)).toBe(false);
  });
});
