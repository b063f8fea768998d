import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('fixtures/starved-process.ts', import.meta.url));

test('a process without descriptors says that it is overloaded, and lives on', async () => {
  const command = `ulimit -n 100; exec "${process.execPath}" --import tsx "${SCRIPT}"`;
  expect(await promisify(execFile)('sh', ['-c', command])).toEqual({ stdout: 'OVERLOADED', stderr: '' });
});
