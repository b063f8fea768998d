import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { scriptLaunch } from '../../src/flow/script-launch.ts';

it('starts a TypeScript thread from the sources, whatever the working directory', async () => {
  const { url, execArgv } = scriptLaunch('../batches/fixtures/orders', import.meta.url);
  expect(url.pathname).toMatch(/orders\.ts$/);
  const [exitCode] = (await once(new Worker(url, { execArgv }), 'exit')) as [number];
  expect(exitCode).toBe(0);
  expect(execArgv.join(' ')).toContain('file:///');
});

it('starts the JavaScript beside a published module, without a loader', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'circumplex-launch-'));
  try {
    await writeFile(join(folder, 'worker.js'), 'process.exit(7);');
    const { url, execArgv } = scriptLaunch('./worker', pathToFileURL(join(folder, 'main.js')).href);
    expect(execArgv).toEqual([]);
    const [exitCode] = (await once(new Worker(url, { execArgv }), 'exit')) as [number];
    expect(exitCode).toBe(7);
  } finally {
    await rm(folder, { recursive: true });
  }
});
