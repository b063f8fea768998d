/** The tour of README.md, run as it is written, against a server of the test's own. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { openServer } from './support/server.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ADDRESS = 'http://127.0.0.1:4000';
const WATCH = 'npx tsx examples/subscribe.ts data/sample/sample.mp4';

/** The shell blocks of one section. */
async function shellBlocks(heading: string): Promise<string[]> {
  const [, rest = ''] = (await readFile(`${ROOT}README.md`, 'utf8')).split(`\n## ${heading}\n`);
  const [section = ''] = rest.split('\n## ');
  return [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!);
}

test('the tour does what it says', async () => {
  await using server = await openServer();
  const shell = async (block: string): Promise<string> => {
    const own = block.replaceAll(ADDRESS, new URL(server.url).origin).replace(WATCH, `${WATCH} ${server.url}`);
    return (await promisify(execFile)('sh', ['-euc', own], { cwd: ROOT })).stdout;
  };
  const [sample, picture, video, history, table, ...others] = await shellBlocks('A 60-second tour');
  expect(others).toEqual([]);

  expect(await shell(sample!)).toMatch(/sample\.jpg\n.*sample\.mp4\n$/);
  const { data } = JSON.parse(await shell(picture!));
  expect(data.analyzeImage.results[0].analysis.faces).toHaveLength(4);

  expect(video!).toContain(WATCH);
  const lines = (await shell(video!)).trimEnd().split('\n');
  expect(lines).toHaveLength(150);
  expect(lines[0]).toMatch(/^0 0\.000 s {2}#1 V .* #2 V .* #3 V /);
  expect(lines[60]).toBe('60 2.400 s  no face');
  expect(lines[149]).toMatch(/#4 .*#5 .*#6 .*#7 /);

  const [stream] = JSON.parse(await shell(history!)).data.streams.nodes;
  expect(stream).toMatchObject({ name: 'sample.mp4', status: 'COMPLETED', progress: { framesDone: 150 } });
  expect(stream.tracks.nodes.map(({ number }: { number: number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(stream.timeline).toHaveLength(12);

  const rows = (await shell(table!)).trimEnd().split('\n');
  expect(rows[0]).toMatch(/^file,sequence,pts_seconds,track_id,/);
  expect(rows).toHaveLength(3);
});
