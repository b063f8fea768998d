import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import { streamRecord, testStore } from './support.ts';

const SCRIPT = fileURLToPath(new URL('appending-process.ts', import.meta.url));
const ROUNDS = 6;

test(`every acknowledged frame is there after kill -9, ${ROUNDS} times, and the rows have no gap`, async () => {
  await using opened = await testStore();
  const { store, databaseUrl } = opened;
  await store.createStream(streamRecord('s'));
  let acknowledged = -1;
  for (let round = 0; round < ROUNDS; round++) {
    const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, databaseUrl, 's'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      // Killed in the middle of its work, at another place each round.
      if (printed.length > 50 + round * 400) child.kill('SIGKILL');
    });
    await closed;
    const lines = printed.split('\n').slice(0, -1).map(Number);
    expect(lines.length).toBeGreaterThan(5);
    acknowledged = Math.max(acknowledged, ...lines);
    const { frames, faces, lastSequence } = await store.progress('s');
    expect(lastSequence).toBeGreaterThanOrEqual(acknowledged);
    expect(frames).toBe(lastSequence! + 1);
    expect(faces).toBe(frames * 2);
  }
});

test('what was erased leaves the log at the first sweep after a process that was killed before it could', async () => {
  await using folder = await temporaryFolder();
  await using opened = await testStore();
  await opened.store.createStream(streamRecord('s', { name: 'a name to be forgotten' }));
  const copy = join(folder.path, 'copy.db');
  // As a kill leaves them: the log is there, and nobody has it open.
  for (const end of ['', '-wal']) await copyFile(`${opened.path}${end}`, `${copy}${end}`);
  expect((await readFile(`${copy}-wal`)).includes('a name to be forgotten')).toBe(true);
  await using store = await openStore({ databaseUrl: `file:${copy}` });
  expect(await store.finishErasures()).toBe(true);
  expect((await stat(`${copy}-wal`)).size).toBe(0);
});
