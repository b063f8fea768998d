import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
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
