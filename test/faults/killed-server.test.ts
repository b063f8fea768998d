import { join } from 'node:path';
import { expect, test } from 'vitest';
import { processesNaming } from '../cli/support.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import { faultRounds, faultsOf, Observer, openStream } from './fixtures/observer.ts';
import { ServerProcess } from './fixtures/server-process.ts';
import { RtmpCamera } from './fixtures/sources.ts';

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
      await using server = await ServerProcess.start(dataDir, { RECONNECT_MAX_SECONDS: '0.5' });
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
    await expect.poll(readers).toEqual([]);
  },
  180_000 + ROUNDS * 60_000,
);
