import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { COLUMNS } from '../../src/rows/index.ts';
import { makeVideo, photograph, temporaryFolder } from '../pipeline/support.ts';
import { pathOfSlowFfmpeg } from '../support/slow-ffmpeg.ts';
import { LAUNCHER, processesNaming, run, start, until } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let out: string;
let count = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

beforeEach(() => {
  count += 1;
  out = join(folder.path, `out ${count}`);
});

/** Every file below a folder by its path there, with what is in it. */
async function contents(root: string): Promise<Record<string, string>> {
  const entries = await readdir(root, { withFileTypes: true, recursive: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(
    paths.sort().map(async (path) => [relative(root, path), await readFile(path, 'utf8')]),
  );
  return Object.fromEntries(texts);
}

/** The files of rows alone: sidecars have times in them. */
async function rowsIn(root: string): Promise<Record<string, string>> {
  return Object.fromEntries(Object.entries(await contents(root)).filter(([name]) => !name.endsWith('.json')));
}

async function pictures(name: string, files: readonly string[]): Promise<string> {
  const root = join(folder.path, name);
  for (const file of files) {
    await mkdir(join(root, file, '..'), { recursive: true });
    await copyFile(photograph(6), join(root, file));
  }
  return root;
}

describe('circumplex analyze --output-dir', () => {
  it('writes a file and a sidecar for each input, and a failing one has none', async () => {
    const odd = 'ö, "two"\nlines; $(x) %d';
    const root = await pictures('mixed', ['top.jpg', `${odd}/-o.jpg`]);
    await writeFile(join(root, 'bad.mp4'), 'no video');
    await symlink('..', join(root, odd, 'circle'));
    const named = join(root, 'top.jpg');
    const other = await pictures('other', ['named.JPG']);
    const argv = [
      'analyze',
      root,
      join(other, 'named.JPG'),
      '--recursive',
      '--output-dir',
      join(out, 'made'),
      '--format',
      'jsonl',
    ];
    const { code, stdout, stderr } = await run(argv);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const told = stderr.trimEnd().split('\n');
    expect(told).toHaveLength(3);
    expect(told[1]).toMatch(/bad\.mp4: .*\(MEDIA_UNSUPPORTED\)$/);
    expect(told[2]).toBe('done: 3, skipped: 0, failed: 1');
    const files = await contents(join(out, 'made'));
    const outputs = [`${odd}/-o.jpg.jsonl`, 'named.JPG.jsonl', 'top.jpg.jsonl'];
    expect(Object.keys(files).sort()).toEqual(outputs.flatMap((one) => [one, `${one}.json`]).sort());
    const row = JSON.parse(files['top.jpg.jsonl']!.split('\n')[0]!);
    expect(Object.keys(row)).toEqual([...COLUMNS]);
    expect(row.file).toBe(named);
    const { inputs } = JSON.parse(files['top.jpg.jsonl.json']!);
    expect(inputs).toMatchObject([{ file: named, frames: 1, error: null }]);
    expect(inputs[0].faces).toBe(files['top.jpg.jsonl']!.trimEnd().split('\n').length);
  });

  it('refuses two inputs for one output, and outputs that are there, before anything starts', async () => {
    const root = await pictures('twice', ['a.jpg', 'in/a.jpg']);
    const argv = ['analyze', join(root, 'a.jpg'), join(root, 'in'), '--output-dir', out, '--model', '/nowhere'];
    const both = await run(argv);
    expect(both).toMatchObject({ code: 1, stdout: '' });
    expect(both.stderr).toMatch(/a\.jpg" and .*a\.jpg" would both .*\(BAD_INPUT\)\n$/);
    await mkdir(out);
    await writeFile(join(out, 'a.jpg.csv'), 'rows of hours');
    const there = await run(['analyze', join(root, 'in'), '--output-dir', out, '--model', '/nowhere']);
    expect(there).toMatchObject({ code: 1, stdout: '' });
    expect(there.stderr).toMatch(/a\.jpg\.csv" is there already; --resume .*--overwrite .*\(BAD_INPUT\)\n$/);
    expect(await contents(out)).toEqual({ 'a.jpg.csv': 'rows of hours' });
  });

  it('refuses to write over what is to be read', async () => {
    const root = await pictures('own', ['a.jpg', 'a.jpg.csv']);
    const argv = ['analyze', join(root, 'a.jpg'), join(root, 'a.jpg.csv'), '--output-dir', root, '--overwrite'];
    expect(await run(argv)).toMatchObject({ code: 1, stderr: expect.stringContaining('would overwrite') });
    expect(await readFile(join(root, 'a.jpg.csv'))).toEqual(await readFile(photograph(6)));
  });

  it.each(['a.jpg', 'a.jpg/below'])('says in a line that it cannot write to the file %s', async (place) => {
    const root = await pictures('plain', ['a.jpg']);
    const { code, stderr } = await run(['analyze', root, '--output-dir', join(root, place)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^circumplex: .* cannot be written \(E\w+\)\. \(BAD_INPUT\)\n$/);
  });

  it('fails an input whose output cannot be made, and does the others', async () => {
    const long = `${'n'.repeat(246)}.jpg`;
    const root = await pictures('long', ['a.jpg', long, 'z.jpg']);
    const { code, stderr } = await run(['analyze', root, '--output-dir', out]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/\(ENAMETOOLONG\).*\ndone: 2, skipped: 0, failed: 1\n$/);
    expect(Object.keys(await rowsIn(out))).toEqual(['a.jpg.csv', 'z.jpg.csv']);
  });
});

describe('a disk that is full', () => {
  it('ends the run in a line and leaves what was finished alone', async () => {
    const root = await pictures('full', ['a.jpg']);
    await makeVideo(join(root, 'b.mp4'), { frames: 30 });
    await copyFile(photograph(6), join(root, 'c.jpg'));
    // Four or eight kilobytes a file, by shell: the rows of a picture fit, those of the video do not.
    const line = `ulimit -f 8; exec '${process.execPath}' '${LAUNCHER}' analyze '${root}' --output-dir '${out}'`;
    const env = { ...process.env, WORKERS: '1', ENGINE_PROVIDER: 'cpu' };
    const failure = await promisify(execFile)('sh', ['-euc', line], { env }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 1, stdout: '' });
    expect(failure).toMatchObject({
      stderr: expect.stringMatching(/^circumplex: The output cannot be written: .*\n$/),
    });
    expect(Object.keys(await contents(out))).toEqual(['a.jpg.csv', 'a.jpg.csv.json']);
  });
});

describe('circumplex analyze --resume', () => {
  it('does what is new, changed or damaged anew and leaves the rest, and --overwrite does all', async () => {
    const names = ['changed.jpg', 'damaged.jpg', 'kept.jpg'];
    const root = await pictures('again', names);
    const resume = ['analyze', root, '--output-dir', out, '--resume'];
    expect(await run(resume)).toEqual({ code: 0, stdout: '', stderr: 'done: 3, skipped: 0, failed: 0\n' });
    const first = await contents(out);
    expect(await run(resume)).toEqual({ code: 0, stdout: '', stderr: 'done: 0, skipped: 3, failed: 0\n' });
    expect(await contents(out)).toEqual(first);

    await utimes(join(root, 'changed.jpg'), new Date(0), new Date(0));
    await writeFile(join(out, 'damaged.jpg.csv.json'), '{');
    await copyFile(photograph(6), join(root, 'new.jpg'));
    // Only what is beside its sidecar tells that it was left alone.
    await writeFile(join(out, 'kept.jpg.csv'), 'kept');
    expect((await run(resume)).stderr).toBe('done: 3, skipped: 1, failed: 0\n');
    const second = await contents(out);
    expect(Object.keys(second)).toHaveLength(8);
    expect(second['kept.jpg.csv']).toBe('kept');
    expect(second['damaged.jpg.csv.json']).toContain('"sha256"');
    expect(JSON.parse(second['changed.jpg.csv.json']!).inputs[0].modifiedAt).toBe(new Date(0).toISOString());

    expect((await run([...resume, '--min-faceness', '0.1'])).stderr).toBe('done: 4, skipped: 0, failed: 0\n');
    expect((await contents(out))['kept.jpg.csv']).toBe(first['kept.jpg.csv']);
    const overwrite = ['analyze', root, '--output-dir', out, '--overwrite', '--min-faceness', '0.1'];
    expect((await run(overwrite)).stderr).toBe('done: 4, skipped: 0, failed: 0\n');
  });

  it('goes on after Ctrl-C and after a kill, and gives the bytes of a run that was left alone', async () => {
    const root = await pictures('killed', ['a.jpg', 'c/d.jpg']);
    const video = await makeVideo(join(root, 'b.mp4'), { frames: 150 });
    const argv = ['analyze', root, '--recursive', '--output-dir'];
    const part = join(out, 'b.mp4.csv.part');
    const hasRows = async () => (await readFile(part, 'utf8')).split('\n').length > 20;
    const slow = { PATH: await pathOfSlowFfmpeg(folder.path) };

    const interrupted = start([...argv, out], slow);
    await until(hasRows);
    interrupted.child.kill('SIGINT');
    expect(await interrupted.exited).toEqual({ code: 130, signal: null });
    expect(Object.keys(await contents(out))).toEqual(['a.jpg.csv', 'a.jpg.csv.json']);
    expect(await processesNaming(video)).toEqual([]);

    const killed = start([...argv, out, '--resume'], slow);
    await until(hasRows);
    killed.child.kill('SIGKILL');
    expect(await killed.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(Object.keys(await contents(out))).toEqual(['a.jpg.csv', 'a.jpg.csv.json', 'b.mp4.csv.part']);

    const rest = await run([...argv, out, '--resume']);
    expect(rest).toEqual({ code: 0, stdout: '', stderr: 'done: 2, skipped: 1, failed: 0\n' });
    const whole = join(folder.path, 'whole');
    expect(await run([...argv, whole])).toMatchObject({ code: 0, stderr: 'done: 3, skipped: 0, failed: 0\n' });
    const rows = await rowsIn(out);
    expect(rows).toEqual(await rowsIn(whole));
    expect(Object.keys(rows)).toEqual(['a.jpg.csv', 'b.mp4.csv', 'c/d.jpg.csv']);
    expect(Object.keys(await contents(out))).toHaveLength(6);
  });
});
