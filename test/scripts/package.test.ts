import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('the published package has the page as it was built, and none of its sources', async () => {
  // Without scripts nothing is compiled; dist/ is not looked at here.
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
  });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const packed = files.map(({ path }) => path).filter((path) => path.startsWith('web/'));
  const built = await readdir(join(ROOT, 'web/dist'), { recursive: true, withFileTypes: true });
  const wanted = built.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  expect(packed.map((path) => join(ROOT, path)).sort()).toEqual(wanted.sort());
});
