import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../pipeline/support.ts';

const LOCK = new URL('../../scripts/setup-lock.mjs', import.meta.url);

test.each([
  ['of a process that is gone', '999999999'],
  ['with our own number, which one in another container had', 'process.pid'],
])('a lock %s is taken over', async (_, owner) => {
  await using folder = await temporaryFolder();
  const lock = join(folder.path, 'lock');
  const script = `import { mkdirSync, writeFileSync } from 'node:fs';
    import { withLock } from ${JSON.stringify(LOCK.href)};
    mkdirSync(${JSON.stringify(lock)});
    writeFileSync(${JSON.stringify(join(lock, 'owner'))}, String(${owner}));
    withLock(${JSON.stringify(lock)}, () => console.log('worked'));`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect({ stdout, status }).toEqual({ stdout: 'worked\n', status: 0 });
  expect(existsSync(lock)).toBe(false);
});
