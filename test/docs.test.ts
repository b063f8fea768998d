/** What the documents state as a table or a number is what the code does. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { makeSample } from '../scripts/make-sample.ts';
import { settingsDocument } from '../scripts/settings-doc.ts';
import { ERROR_KINDS } from '../src/errors.ts';
import { MAX_ITEMS } from '../src/graphql/items-limit.ts';
import { MAX_ALIASES, MAX_COST, MAX_DEPTH, MAX_DIRECTIVES, MAX_TOKENS } from '../src/graphql/limits.ts';
import { DEFINITIONS } from '../src/metrics/definitions.ts';
import { COLUMNS } from '../src/rows/index.ts';
import { MAX_PAGE } from '../src/store/index.ts';
import { temporaryFolder } from './pipeline/support.ts';
import { openServer } from './support/server.ts';

/** 15 s of one core; a machine with other work takes several times that. */
const EXAMPLES_TIMEOUT_MS = 600_000;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

function read(document: string): string {
  return readFileSync(join(ROOT, document), 'utf8');
}

/** The cells of the table below a heading, without its first two lines; backticks are left out. */
function tableBelow(heading: string, document: string): string[][] {
  const section = document.split(`\n${heading}\n`)[1]?.split(/\n#+ /)[0] ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .replaceAll('`', '')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test('docs/settings.md has the settings as they are', () => {
  const document = read('docs/settings.md');
  expect(document, 'run npx tsx scripts/settings-doc.ts').toBe(settingsDocument(document));
});

test('docs/api.md has the closed table of errors', () => {
  const wanted = Object.entries(ERROR_KINDS).map(([code, { meaning, status, retryable }]) => [
    code,
    meaning,
    String(status),
    retryable ? 'yes' : 'no',
  ]);
  expect(tableBelow('## Errors', read('docs/api.md'))).toEqual(wanted);
});

test('docs/operations.md has every metric with its kind', () => {
  const told = tableBelow('## Metrics', read('docs/operations.md')).flatMap(([names = '', type = '']) =>
    names.split(', ').map((name) => `${name} ${type}`),
  );
  expect(told.sort()).toEqual(DEFINITIONS.map(({ name, type }) => `${name} ${type}`).sort());
});

test('docs/api.md has the limits of queries', () => {
  const limits = Object.fromEntries(
    tableBelow('## Limits of queries', read('docs/api.md')).map(([what = '', most = '']) => [what, most]),
  );
  const inDigits = (count: number): string => count.toLocaleString('en-GB');
  expect(limits).toMatchObject({
    Depth: inDigits(MAX_DEPTH),
    Aliases: inDigits(MAX_ALIASES),
    Directives: inDigits(MAX_DIRECTIVES),
    Tokens: inDigits(MAX_TOKENS),
    Cost: inDigits(MAX_COST),
    Items: inDigits(MAX_ITEMS),
    'Length of a page': `1 to ${inDigits(MAX_PAGE)}`,
  });
});

test('docs/api.md has the columns of the command line in their order', () => {
  const columns = tableBelow('### Columns', read('docs/api.md')).flatMap(([names = '']) => names.split(', '));
  expect(columns).toEqual([...COLUMNS]);
});

test(
  'the examples of docs/api.md run as they are written, one after the other',
  async () => {
    await using server = await openServer();
    await using folder = await temporaryFolder();
    await makeSample(folder.path);
    const blocks = [...read('docs/api.md').matchAll(/```(sh|js)\n(.*?)```/gs)].map(([, language, code = '']) =>
      language === 'sh' ? code : `export STREAM\nnode --input-type=module <<'JS'\n${code}JS\n`,
    );
    const script = blocks
      .join("\necho\necho '#####'\n")
      .replaceAll('127.0.0.1:4000', new URL(server.url).host)
      .replaceAll('data/sample/', `${folder.path}/`);
    const { stdout } = await promisify(execFile)('sh', ['-euc', script], { cwd: ROOT });
    const [engine, pictures, stream, socket, events, rest, history, erased, lines] = stdout.split('#####\n');

    expect(JSON.parse(engine!).data.engine.name).toBe('onnxruntime');
    const { results } = JSON.parse(pictures!).data.analyzeImage;
    expect(results).toMatchObject([{ error: null }, { analysis: null, error: { code: 'MEDIA_UNSUPPORTED' } }]);
    expect(stream).toMatch(/^[0-9a-f-]{36}\n/);
    expect(socket!.trim().split('\n')).toHaveLength(30);
    expect(events!.match(/"droppedBefore":0/g)).toHaveLength(30);
    expect(rest!.match(/"sequence":\d+/g)).toEqual(['"sequence":27', '"sequence":28', '"sequence":29']);
    expect(JSON.parse(history!).data.stream).toMatchObject({ status: 'COMPLETED', summary: { framesWithFaces: 24 } });
    expect(JSON.parse(erased!).data.deleteStream.frames).toBe(30);
    expect(Object.keys(JSON.parse(lines!))).toEqual([...COLUMNS]);
    const [heading = ''] = (await readFile(join(folder.path, 'sample.csv'), 'utf8')).split('\n');
    expect(heading).toBe(COLUMNS.join(','));
  },
  EXAMPLES_TIMEOUT_MS,
);
