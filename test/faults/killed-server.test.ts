import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createClient } from 'graphql-ws';
import { expect, test } from 'vitest';
import WebSocket from 'ws';
import { processesNaming, start } from '../cli/support.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import type { Answer } from '../support/server.ts';
import { faultRounds, faultsOf, Observer, openStream } from './fixtures/observer.ts';
import { RtmpCamera } from './fixtures/sources.ts';

async function startServerProcess(dataDir: string) {
  const environment = { LOG_LEVEL: 'silent', ALLOWED_HOSTS: '127.0.0.1', RECONNECT_MAX_SECONDS: '0.5' };
  const { child, exited } = start(['serve', '--port', '0', '--data-dir', dataDir], environment);
  const failed = exited.then(({ code }) => {
    throw new Error(`the server ended with ${code}`);
  });
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), failed])) as [string];
  const url = line.split(' ').at(-1)!;
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

const ROUNDS = faultRounds(1);

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
    // Nobody reads for the servers that were killed: a reader ends with the first frame that nobody takes.
    const readers = async (): Promise<string[]> =>
      (await processesNaming(source.url)).filter((words) => words.includes(`-i ${source.url}`));
    await expect.poll(readers, { timeout: 15_000 }).toEqual([]);
  },
  60_000 + ROUNDS * 20_000,
);
