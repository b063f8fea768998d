import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COLUMNS, createRowWriter } from '../../src/rows/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import { face, frame, streamRecord } from '../store/support.ts';
import { LAUNCHER, run } from './support.ts';

interface Sqlite {
  exec(sql: string): void;
  close(): void;
}
const Database = createRequire(import.meta.url)('better-sqlite3') as new (path: string) => Sqlite;
const FRAMES = 3000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
/** Open all the time, as a server's would be. */
let store: Store;
let dataDir: string;
const frames = Array.from({ length: FRAMES }, (_, index) =>
  frame('s', index, index % 2 === 0 ? [face(1), face(2)] : []),
);

beforeAll(async () => {
  folder = await temporaryFolder();
  dataDir = folder.path;
  store = await openStore({ databaseUrl: `file:${join(dataDir, 'circumplex.db')}` });
  await store.createStream(streamRecord('s', { name: 'a video.mp4' }));
  await store.appendFrames(frames);
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function exported(format: 'csv' | 'jsonl'): string {
  const writer = createRowWriter(format);
  return writer.heading + frames.map((one) => writer.rows('a video.mp4', one)).join('');
}

describe('circumplex export', () => {
  it('writes the rows of a stream beside the server that has the database open', async () => {
    const { code, stdout, stderr } = await run(['export', 's'], { DATA_DIR: dataDir });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(exported('csv'));
  });

  it('writes JSON lines to a file', async () => {
    const output = join(dataDir, 'rows.jsonl');
    const argv = ['export', 's', '--format', 'jsonl', '-o', output, '--data-dir', dataDir];
    expect(await run(argv)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await readFile(output, 'utf8')).toBe(exported('jsonl'));
  });

  it('says that there is no such stream, and empties no file for it', async () => {
    const output = join(dataDir, 'precious.csv');
    await writeFile(output, 'precious');
    const { code, stdout, stderr } = await run(['export', 'nobody', '-o', output], { DATA_DIR: dataDir });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('"nobody"');
    expect(stderr).toContain('NOT_FOUND');
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(await readFile(output, 'utf8')).toBe('precious');
  });

  it('says that there is no database, and makes none', async () => {
    const elsewhere = join(dataDir, 'elsewhere');
    const { code, stderr } = await run(['export', 's'], { DATA_DIR: elsewhere });
    expect(code).toBe(1);
    expect(stderr).toContain(elsewhere);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    await expect(stat(elsewhere)).rejects.toThrow('ENOENT');
  });

  it('does not bring a database of an older version up to date under its server', async () => {
    await using old = await temporaryFolder();
    const path = join(old.path, 'circumplex.db');
    const own = await openStore({ databaseUrl: `file:${path}` });
    await own[Symbol.asyncDispose]();
    const database = new Database(path);
    database.exec("DELETE FROM _prisma_migrations WHERE migration_name LIKE '%_retention'");
    database.close();
    const before = await readFile(path);
    const { code, stderr } = await run(['export', 's'], { DATA_DIR: old.path });
    expect(code).toBe(1);
    expect(stderr).toContain('another version');
    expect(await readFile(path)).toEqual(before);
    expect((await readdir(old.path)).filter((name) => !name.startsWith('circumplex.db'))).toEqual([]);
  });

  it('ends quietly when its reader has seen enough', async () => {
    const line = `'${process.execPath}' '${LAUNCHER}' export s | head -n 2; echo "codes \${PIPESTATUS[@]}"`;
    const env = { ...process.env, DATA_DIR: dataDir };
    const shell = spawn('bash', ['-c', line], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(shell, 'exit');
    const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr), exited]);
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toEqual([
      COLUMNS.join(','),
      expect.stringMatching(/^a video\.mp4,0,/),
      'codes 0 0',
    ]);
  });
});

describe('an output that cannot take all', () => {
  const whole = 'The output cannot be written: ';

  it.runIf(existsSync('/dev/full'))('is told in a line, whether it is named or standard output', async () => {
    const named = await run(['export', 's', '-o', '/dev/full'], { DATA_DIR: dataDir });
    expect(named).toMatchObject({ code: 1, stdout: '' });
    for (const { code, stderr } of [named, await shell('export s > /dev/full; exit $?')]) {
      expect(code).toBe(1);
      expect(stderr).toContain(whole);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    }
  });

  it.each(['> limited.csv', '-o limited.csv'])('is told also when only its end does not fit: export %s', async (to) => {
    // In units of 512 or 1024 bytes: less than the rows have, and no multiple of what is written at once.
    const { code, stderr } = await shell(`export s ${to}; exit $?`, 'ulimit -f 201; ');
    expect(code).toBe(1);
    expect(stderr).toContain(whole);
    expect((await stat(join(dataDir, 'limited.csv'))).size).toBeLessThan(exported('csv').length);
  });

  /** The program in a shell, in the folder of the data. */
  async function shell(words: string, before = '') {
    const line = `cd '${dataDir}'; ${before}'${process.execPath}' '${LAUNCHER}' ${words}`;
    const env = { ...process.env, DATA_DIR: dataDir };
    const child = spawn('bash', ['-c', line], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(child, 'exit');
    const [stderr, [code]] = await Promise.all([text(child.stderr), exited]);
    return { code, stderr };
  }
});

describe('a store for reading alone', () => {
  it('reads what is there and writes nothing', async () => {
    const databaseUrl = `file:${join(dataDir, 'circumplex.db')}`;
    await using reader = await openStore({ databaseUrl, readOnly: true });
    expect((await reader.progress('s')).frames).toBe(FRAMES);
    for (const write of [
      reader.createStream(streamRecord('new')),
      reader.appendFrames([frame('s', FRAMES)]),
      reader.deleteStream('s'),
      reader.checkWritable(),
    ]) {
      await expect(write).rejects.toMatchObject({ code: 'STORE_FAILED' });
    }
    expect(await store.stream('new')).toBeNull();
    expect((await store.progress('s')).frames).toBe(FRAMES);
    await store.appendFrames([frame('s', FRAMES, [])]);
    expect((await reader.progress('s')).frames).toBe(FRAMES + 1);
  });
});
