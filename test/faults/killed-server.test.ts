import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClient } from 'graphql-ws';
import { expect, test } from 'vitest';
import WebSocket from 'ws';
import { scriptLaunch } from '../../src/flow/index.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import type { Answer } from '../support/server.ts';
import { faultsOf, Observer, openStream } from './fixtures/observer.ts';
import { RtmpCamera } from './fixtures/sources.ts';

async function startServerProcess(dataDir: string) {
  const { url: script, execArgv } = scriptLaunch('./fixtures/server-process', import.meta.url);
  const child = spawn(process.execPath, [...execArgv, fileURLToPath(script), dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    async query(text: string, variables: Record<string, unknown> = {}): Promise<Answer> {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: text, variables }),
      });
      return (await response.json()) as Answer;
    },
    client: () =>
      createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0, lazy: true }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Rounds of a kill without warning; more for a longer look. */
const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 2);

test(
  'a server that is killed without warning comes back with its live streams and has lost no published frame',
  async () => {
    await using folder = await temporaryFolder();
    await using source = await RtmpCamera.start();
    const dataDir = join(folder.path, 'data');
    let id: string | null = null;
    let published = -1;
    for (let round = 0; round <= ROUNDS; round += 1) {
      await using server = await startServerProcess(dataDir);
      id ??= await openStream(server, source.url, { trackMissSeconds: 60 });
      await using observer = new Observer(server, id);
      // The past is replayed first: what was published before the kill is there, and nothing twice.
      await observer.until('new frames', () => (observer.frames.at(-1)?.sequence ?? -1) >= published + 3);
      expect(faultsOf(observer.frames)).toEqual([]);
      expect(observer.names).toContain('RUNNING');
      published = observer.frames.at(-1)!.sequence;
    }
  },
  60_000 + ROUNDS * 20_000,
);
