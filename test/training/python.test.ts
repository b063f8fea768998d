import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/test-python.mjs', import.meta.url));
/** The script's own: no Python here, or no network for pip. */
const CANNOT_SET_UP = 3;
const MINUTES = 15;

/** In `.ci/run` alone: some 400 MB of Python packages are not for everybody who tests the server. */
it.runIf(process.env.CI)(
  'the tests of training/ that need no PyTorch pass',
  { timeout: MINUTES * 60_000 },
  async (context) => {
    const child = spawn(process.execPath, [SCRIPT], { stdio: ['ignore', 'pipe', 'pipe'] });
    const said: Buffer[] = [];
    for (const output of [child.stdout, child.stderr]) output.on('data', (part: Buffer) => said.push(part));
    const [code] = await once(child, 'close');
    const text = Buffer.concat(said).toString();
    if (code === CANNOT_SET_UP) context.skip(text);
    expect(code, text).toBe(0);
    expect(text).toMatch(/\d+ passed/);
  },
);
