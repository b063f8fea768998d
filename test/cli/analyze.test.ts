import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { COLUMNS } from '../../src/rows/index.ts';
import { makeVideo, photograph, temporaryFolder } from '../pipeline/support.ts';
import { LAUNCHER, processesNaming, run, start, until } from './support.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let video: string;
let longVideo: string;
let notes: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  video = await makeVideo(join(folder.path, 'short.mp4'), { frames: 30 });
  longVideo = await makeVideo(join(folder.path, 'long.mp4'), { frames: 3000 });
  notes = join(folder.path, 'notes.txt');
  await writeFile(notes, 'neither a picture nor a video\n'.repeat(50));
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

describe('circumplex analyze', () => {
  it('writes the rows of pictures and videos in the order of the files, every frame of them', async () => {
    const odd = join(folder.path, 'odd "name", indeed.jpg');
    await copyFile(photograph(3), odd);
    const { code, stdout, stderr } = await run(['analyze', video, odd, '--every-frame']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [heading, ...rows] = stdout.trimEnd().split('\n');
    expect(heading).toBe(COLUMNS.join(','));
    const ofVideo = rows.filter((row) => row.startsWith(`${video},`));
    expect(new Set(ofVideo.map((row) => row.split(',')[1]))).toEqual(new Set([...Array(30).keys()].map(String)));
    const ofPicture = rows.slice(ofVideo.length);
    expect(ofPicture.length).toBeGreaterThanOrEqual(3);
    for (const row of ofPicture) expect(row).toContain('/odd ""name"", indeed.jpg",0,0,');
  });

  it('takes the pictures and videos of a folder in the order of their names, and says what it left out', async () => {
    const pictures = join(folder.path, 'pictures');
    await mkdir(join(pictures, 'deeper'), { recursive: true });
    await copyFile(photograph(6), join(pictures, 'face10.JPG'));
    await copyFile(photograph(6), join(pictures, 'face2.jpg'));
    await copyFile(notes, join(pictures, 'notes.txt'));
    await copyFile(notes, join(pictures, '.hidden.jpg'));
    const { code, stdout, stderr } = await run(['analyze', pictures]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `${pictures}: left out, by their names no pictures or videos: 1\n`,
    });
    const files = stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((row) => row.split(',')[0]);
    expect([...new Set(files)]).toEqual([join(pictures, 'face2.jpg'), join(pictures, 'face10.JPG')]);
  });

  it('takes as many file names as a shell gives it', async () => {
    const names = Array.from({ length: 2000 }, (_, index) =>
      join(folder.path, `a picture that is not there ${index}.jpg`),
    );
    const { code, stdout, stderr } = await run(['analyze', ...names, photograph(6)]);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split('\n')).toHaveLength(2000);
    expect(stdout.split('\n').length).toBeGreaterThan(4);
  });

  it('goes on after a bad file, names it on standard error, and ends with 1', async () => {
    const missing = join(folder.path, 'missing.mp4');
    const empty = join(folder.path, 'empty');
    await mkdir(empty);
    const output = join(folder.path, 'rows.jsonl');
    const argv = ['analyze', missing, notes, empty, photograph(6), '--format', 'jsonl', '--output', output];
    const { code, stdout, stderr } = await run(argv);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const complaints = stderr.trimEnd().split('\n');
    expect(complaints).toHaveLength(3);
    for (const [index, file] of [empty, missing, notes].entries()) expect(complaints[index]).toContain(file);
    const rows = (await readFile(output, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((row) => JSON.parse(row) as { file: string });
    expect(rows.length).toBeGreaterThanOrEqual(3);
    for (const { file } of rows) expect(file).toBe(photograph(6));
  });

  it('ends quietly when its reader has seen enough, and leaves no ffmpeg', async () => {
    const line = `'${process.execPath}' '${LAUNCHER}' analyze --every-frame '${longVideo}' | head -n 3; echo "codes \${PIPESTATUS[@]}"`;
    const env = { ...process.env, WORKERS: '1', ENGINE_PROVIDER: 'cpu' };
    const shell = spawn('bash', ['-c', line], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(shell, 'exit');
    const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr), exited]);
    expect(stderr).toBe('');
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[3]).toBe('codes 0 0');
    expect(await processesNaming(longVideo)).toEqual([]);
  });

  it('ends with 130 at Ctrl-C, with whole rows written and no ffmpeg left', async () => {
    const { child, exited } = start(['analyze', '--every-frame', longVideo]);
    let stdout = '';
    let told = false;
    for await (const chunk of child.stdout) {
      stdout += String(chunk);
      if (!told) told = child.kill('SIGINT');
    }
    expect(await exited).toEqual({ code: 130, signal: null });
    expect(stdout.endsWith('\n')).toBe(true);
    expect(stdout.trimEnd().split('\n').at(-1)!.split(',')).toHaveLength(COLUMNS.length);
    expect(await processesNaming(longVideo)).toEqual([]);
  });

  it.each([
    [['analyze', '--model', '/nowhere', 'MODEL'], {}, '/nowhere'],
    [['analyze', 'x.mp4'], { MAX_BATCH: 'many' }, 'MAX_BATCH'],
    [['analyze', 'x.mp4', '--output', '/nowhere/rows.csv'], {}, '/nowhere/rows.csv'],
  ])('says in one line why %j cannot be done', async (argv, environment, words) => {
    const { code, stdout, stderr } = await run(
      argv.map((one) => (one === 'MODEL' ? video : one)),
      environment,
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(words);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it.each([['--output'], ['--overwrite', '--output']])(
    'does not overwrite a file that it is to read: %j',
    async (...options) => {
      const before = await readFile(video);
      const { code, stderr } = await run(['analyze', video, ...options, video]);
      expect(code).toBe(1);
      expect(stderr).toContain('overwrite');
      expect(await readFile(video)).toEqual(before);
    },
  );
});

describe('circumplex analyze --output', () => {
  let output: string;
  let count = 0;

  beforeEach(async () => {
    count += 1;
    output = join(folder.path, `precious ${count}.csv`);
    await writeFile(output, 'rows of hours\n');
  });

  it('refuses a file that has something in it, and says what to do', async () => {
    const { code, stdout, stderr } = await run(['analyze', photograph(6), '--output', output]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/--overwrite.*\(BAD_INPUT\)\n$/);
    expect(await readFile(output, 'utf8')).toBe('rows of hours\n');
  });

  it('refuses a sidecar that would be overwritten, too', async () => {
    await rename(output, `${output}.json`);
    const { code, stderr } = await run(['analyze', photograph(6), '--output', output]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${output}.json`);
    expect(await readFile(`${output}.json`, 'utf8')).toBe('rows of hours\n');
    expect(existsSync(output)).toBe(false);
  });

  it('leaves what is there alone when the networks do not start', async () => {
    await writeFile(`${output}.json`, 'made by');
    const argv = ['analyze', photograph(6), '--output', output, '--overwrite', '--model', '/nowhere'];
    expect(await run(argv)).toMatchObject({ code: 1, stderr: expect.stringContaining('ENGINE_UNAVAILABLE') });
    expect(await readFile(output, 'utf8')).toBe('rows of hours\n');
    expect(await readFile(`${output}.json`, 'utf8')).toBe('made by');
  });

  it('writes anew with --overwrite, and beside the rows what made them, failures included', async () => {
    const argv = ['analyze', photograph(6), notes, video, '--fps', '5', '-o', output, '--overwrite'];
    expect(await run(argv)).toMatchObject({ code: 1, stdout: '' });
    const rows = (await readFile(output, 'utf8')).trimEnd().split('\n').slice(1);
    const { inputs, ...made } = JSON.parse(await readFile(`${output}.json`, 'utf8'));
    const card = JSON.parse(await readFile(join(ROOT, 'models/affect/card.json'), 'utf8'));
    expect(made).toEqual({
      program: { name: 'circumplex', version: expect.stringMatching(/^\d/) },
      model: { name: card.name, version: card.version, sha256: card.sha256 },
      detector: { name: 'blazeface-back' },
      engine: { name: 'onnxruntime', provider: 'cpu' },
      format: 'csv',
      startedAt: expect.stringMatching(/Z$/),
      endedAt: expect.stringMatching(/Z$/),
    });
    const [picture, failed, clip] = inputs;
    expect(picture).toMatchObject({
      file: photograph(6),
      kind: 'picture',
      ffmpegVersion: null,
      frames: 1,
      error: null,
    });
    expect(picture.settings).toEqual({ maxImageSidePixels: 2560, minFaceness: 0.5 });
    const { size, mtime } = await stat(video);
    expect(clip).toEqual({
      file: video,
      sizeBytes: size,
      modifiedAt: mtime.toISOString(),
      kind: 'video',
      settings: {
        sampling: { kind: 'RATE', framesPerSecond: 5 },
        maxFrameSidePixels: 1280,
        smoothingSeconds: 0.5,
        trackMissSeconds: 1,
        minFaceness: 0.5,
      },
      ffmpegVersion: expect.stringMatching(/\d/),
      frames: 6,
      faces: rows.filter((row) => row.startsWith(`${video},`) && !row.includes(',,')).length,
      warnings: [],
      error: null,
    });
    expect(failed).toMatchObject({
      file: notes,
      kind: null,
      settings: null,
      frames: 0,
      error: { code: 'MEDIA_UNSUPPORTED' },
    });
    expect(picture.faces).toBe(rows.filter((row) => row.startsWith(photograph(6))).length);
    expect((await readdir(folder.path)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('leaves no sidecar beside rows that are not all', async () => {
    await writeFile(`${output}.json`, '{}');
    const { child, exited } = start(['analyze', '--every-frame', longVideo, '-o', output, '--overwrite']);
    await until(async () => (await stat(output)).size > 1000);
    child.kill('SIGTERM');
    expect(await exited).toEqual({ code: 143, signal: null });
    expect(await readFile(output, 'utf8')).toMatch(/^file,.*\n$/s);
    expect(existsSync(`${output}.json`)).toBe(false);
  });

  it.each([
    ['a pipe', 'mkfifo pipe; cat pipe > got & CIRCUMPLEX -o pipe; wait'],
    ['a name of standard output that goes on', 'echo kept > got; CIRCUMPLEX -o /dev/stdout >> got; sed -i 1d got'],
  ])('writes to %s as it is, without a sidecar', async (_, words) => {
    await using own = await temporaryFolder();
    const circumplex = `'${process.execPath}' '${LAUNCHER}' analyze '${photograph(6)}'`;
    const env = { ...process.env, WORKERS: '1', ENGINE_PROVIDER: 'cpu' };
    await promisify(execFile)('sh', ['-euc', words.replaceAll('CIRCUMPLEX', circumplex)], { cwd: own.path, env });
    const [heading, ...rows] = (await readFile(join(own.path, 'got'), 'utf8')).trimEnd().split('\n');
    expect(heading).toBe(COLUMNS.join(','));
    expect(rows.length).toBeGreaterThan(2);
    expect((await readdir(own.path)).filter((name) => name.includes('json'))).toEqual([]);
  });
});

describe('circumplex', () => {
  it('prints its version and its help', async () => {
    const [version, help] = await Promise.all([run(['--version']), run(['--help'])]);
    expect(version).toMatchObject({ code: 0, stderr: '' });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('circumplex analyze FILE...');
  });
});
