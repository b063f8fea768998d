/** Runs the program as a user does: the launcher, in a process of its own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const LAUNCHER = fileURLToPath(new URL('../../bin/circumplex.js', import.meta.url));

export interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

export function start(argv: readonly string[], environment: Record<string, string> = {}, launcher = LAUNCHER): Running {
  const env = { ...process.env, WORKERS: '1', ENGINE_PROVIDER: 'cpu', ...environment };
  const child = spawn(process.execPath, [launcher, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }) as Awaited<Running['exited']>);
  return { child, exited };
}

export async function run(
  argv: readonly string[],
  environment: Record<string, string> = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const { child, exited } = start(argv, environment);
  const [stdout, stderr, { code }] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { code, stdout, stderr };
}

/** Processes of this machine that name `word` in their command line, other than this one. */
export async function processesNaming(word: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const commandLine = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(word)) found.push(commandLine.replaceAll('\0', ' '));
  }
  return found;
}

/** Resolves when something has become true; what fails meanwhile is not true yet. */
export async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue().catch(() => false))) await setTimeout(20);
}
