import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../pipeline/support.ts';
import { processesNaming, run, start } from './support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

/** Starts a server and resolves with its address once it has printed it. */
async function serve(dataDir: string) {
  const running = start(['serve', '--port', '0', '--data-dir', dataDir], { LOG_LEVEL: 'warn' });
  const stderr = text(running.child.stderr);
  const lines = createInterface(running.child.stdout);
  const [line] = (await Promise.race([once(lines, 'line'), once(running.child, 'exit')])) as [string];
  return { ...running, line, stderr };
}

describe('circumplex serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'prints its address, answers there, and ends in order at %s',
    async (signal) => {
      const { child, exited, line, stderr } = await serve(join(folder.path, 'data'));
      const url = /^circumplex is ready at (http:\/\/127\.0\.0\.1:\d+\/graphql)$/.exec(line)?.[1];
      expect(url).toBeDefined();
      const response = await fetch(url!, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ __typename }' }),
      });
      expect(await response.json()).toEqual({ data: { __typename: 'Query' } });
      child.kill(signal);
      expect(await exited).toEqual({ code: 0, signal: null });
      expect(await stderr).toBe('');
    },
  );

  it('ends with `npm start`, which is all that a supervisor sees', async () => {
    const dataDir = join(folder.path, 'npm');
    const npm = spawn('npm', ['start', '--silent', '--', '--port', '0', '--data-dir', dataDir], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, LOG_LEVEL: 'warn', WORKERS: '1', ENGINE_PROVIDER: 'cpu' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(npm, 'exit');
    for await (const line of createInterface(npm.stdout)) if (line.startsWith('circumplex is ready')) break;
    expect(await processesNaming(dataDir)).not.toEqual([]);
    npm.kill('SIGTERM');
    await exited;
    await expect.poll(() => processesNaming(dataDir)).toEqual([]);
  });

  it('takes two signals at once for one, as Ctrl-C under npm sends them', async () => {
    const { child, exited, stderr } = await serve(join(folder.path, 'twice'));
    // Two of a kind might be one before they arrive.
    child.kill('SIGINT');
    child.kill('SIGTERM');
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(await stderr).toBe('');
  });

  it('can be told to end while it is still starting', async () => {
    const { child, exited } = start(['serve', '--port', '0', '--data-dir', join(folder.path, 'early')], {
      LOG_LEVEL: 'warn',
    });
    await new Promise((resolve) => setTimeout(resolve, 700));
    child.kill('SIGTERM');
    const { code, signal } = await exited;
    // Before the program listens for signals, the system's own way to end it is as good.
    expect([code, signal].filter((how) => how !== null)).toEqual([
      expect.toSatisfy((how) => [0, 143, 'SIGTERM'].includes(how)),
    ]);
  });

  it('says in one line that the port is taken, and ends with 1', async () => {
    const other: Server = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { code, stdout, stderr } = await run([
      'serve',
      '--port',
      String(port),
      '--data-dir',
      join(folder.path, 'port'),
    ]);
    other.close();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toContain(String(port));
  });

  it.each([
    [['--port', 'http'], {}, '--port'],
    [['--model', '/nowhere'], {}, '/nowhere'],
    [['--data-dir', '/dev/null/data'], {}, '/dev/null/data'],
    [['--database-url', 'file:/nowhere/x.db'], {}, '/nowhere'],
    [[], { PATH: '/nowhere' }, 'ffmpeg'],
  ])('says in one line why it cannot start with %j %j, and ends with 1', async (argv, environment, words) => {
    const { code, stdout, stderr } = await run(
      ['serve', '--port', '0', '--data-dir', join(folder.path, 'none'), ...argv],
      environment,
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(words);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('does not share its data folder with a second server', async () => {
    const dataDir = join(folder.path, 'shared');
    const { child, exited } = await serve(dataDir);
    const second = await run(['serve', '--port', '0', '--data-dir', dataDir]);
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toContain(dataDir);
    child.kill('SIGTERM');
    await exited;
  });
});
