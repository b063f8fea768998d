import { parse } from 'graphql';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openKeyring } from '../../src/access/index.ts';
import { AppError } from '../../src/errors.ts';
import { startServer } from '../../src/graphql/index.ts';
import type { Pipeline } from '../../src/pipeline/index.ts';
import type { Store, StreamQuery } from '../../src/store/index.ts';
import { testConfig } from '../pipeline/support.ts';
import { testStore } from '../store/support.ts';

const NO_KEYS = { keys: async () => [], foreignChanges: async () => 0 };

/** A server over nothing: whatever passes the limits meets `streams`, which answers as it is told. */
async function openLimits(
  streams: (query: StreamQuery) => Promise<unknown> = async () => ({ items: [], hasNextPage: false }),
) {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const config = testConfig('.', { PORT: '0' });
  const keyring = await openKeyring({ config, store: { ...NO_KEYS, keysUsed: async () => {} }, log });
  const parts = { pipeline: {} as Pipeline, store: { streams } as unknown as Store, keyring, log };
  const server = await startServer({ ...parts, config });
  return {
    lines,
    async errorOf(query: string, variables: Record<string, unknown> = {}) {
      const response = await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
      });
      const { errors } = (await response.json()) as {
        errors?: readonly { message: string; extensions: Record<string, unknown> }[];
      };
      return errors?.[0] ?? null;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await keyring[Symbol.asyncDispose]();
    },
  };
}

const pages = (streams: string, frames: string): string =>
  `streams(first: ${streams}) { nodes { frames(first: ${frames}) { nodes { sequence } } } }`;

const aliases = (count: number): string =>
  Array.from({ length: count }, (_, index) => `a${index}: engine { name }`).join(' ');

/** One field under as many names as may be. */
const many = (field: string): string => Array.from({ length: 29 }, (_, index) => `a${index}: ${field}`).join(' ');

/** Fragments that each spread the next one twice: 2 to the power of their number fields in a short text. */
function doublingFragments(count: number): string {
  const fragments = Array.from(
    { length: count },
    (_, index) => `fragment f${index} on Query { ...f${index + 1} ...f${index + 1} }`,
  );
  return `{ ...f0 } ${fragments.join(' ')} fragment f${count} on Query { streams { nodes { id } } }`;
}

test.each([
  ['short pages in short pages', `{ ${pages('20', '100')} }`, {}, null],
  ['long pages in long pages', `{ ${pages('1000', '1000')} }`, {}, 'QUERY_TOO_COMPLEX'],
  ['lengths in variables', `query ($n: Int) { ${pages('$n', '$n')} }`, { n: 1000 }, 'QUERY_TOO_COMPLEX'],
  [
    'lengths that are null, which are the defaults',
    `query ($n: Int) { ${Array.from({ length: 5 }, (_, index) => `a${index}: ${pages('1000', '$n')}`).join(' ')} }`,
    { n: null },
    'QUERY_TOO_COMPLEX',
  ],
  ['a length of null', `{ ${pages('1000', 'null')} }`, {}, 'QUERY_TOO_COMPLEX'],
  [
    'few levels of fields in many fragments',
    `{ streams { nodes { ...S } } } fragment S on Stream { frames { nodes { ...F } } }
     fragment F on FrameEstimate { faces { ...A } } fragment A on FaceEstimate { affect { ...V } }
     fragment V on Affect { valence }`,
    {},
    null,
  ],
  ['lengths in the defaults of variables', `query ($n: Int = 1000) { ${pages('$n', '$n')} }`, {}, 'QUERY_TOO_COMPLEX'],
  ['a length that is none', `query ($n: Int) { ${pages('$n', '$n')} }`, { n: 'x' }, 'BAD_INPUT'],
  [
    'pages side by side',
    `{ ${Array.from({ length: 12 }, (_, index) => `a${index}: ${pages('10', '100')}`).join(' ')} }`,
    {},
    'QUERY_TOO_COMPLEX',
  ],
  [
    'pages in a fragment',
    `{ streams(first: 1000) { nodes { ...f } } } fragment f on Stream { frames(first: 50) { nodes { sequence } } }`,
    {},
    'QUERY_TOO_COMPLEX',
  ],
  ['a timeline of each of twenty streams', '{ streams { nodes { timeline(bucketSeconds: 1) { faces } } } }', {}, null],
  [
    'a timeline of each of a thousand',
    '{ streams(first: 1000) { nodes { timeline(bucketSeconds: 1) { faces } } } }',
    {},
    'QUERY_TOO_COMPLEX',
  ],
  [
    'everything of each of twenty streams',
    `{ streams { nodes { progress { framesDone } frames { nodes { sequence } } tracks { nodes { number } }
      timeline(bucketSeconds: 1) { faces } summary { faces } } } }`,
    {},
    null,
  ],
  ['the progress of a thousand streams', '{ streams(first: 1000) { nodes { progress { framesDone } } } }', {}, null],
  [
    'the progress of a thousand streams, many times',
    `{ streams(first: 1000) { nodes { ${many('progress { framesDone }')} } } }`,
    {},
    'QUERY_TOO_COMPLEX',
  ],
  [
    'many summaries of a few streams',
    `{ streams(first: 4) { nodes { ${many('summary { faces }')} } } }`,
    {},
    'QUERY_TOO_COMPLEX',
  ],
  [
    'many short pages of tracks, each of which may read a stream',
    `{ streams(first: 4) { nodes { ${many('tracks(first: 1) { nodes { number } }')} } } }`,
    {},
    'QUERY_TOO_COMPLEX',
  ],
  ['fragments that double', doublingFragments(60), {}, 'QUERY_TOO_COMPLEX'],
  ['a text that is too long', `{ streams { nodes { ${'id '.repeat(2500)} } } }`, {}, 'QUERY_TOO_COMPLEX'],
])('%s', async (_, query, variables, code) => {
  await using limits = await openLimits();
  // Whatever the server answers, the text is GraphQL.
  expect(parse(query).kind).toBe('Document');
  expect((await limits.errorOf(query, variables))?.extensions.code ?? null).toBe(code);
});

test.each([0, -1, 1001, 10_001, 1_000_000])('a page of %i is refused by its length, not by its sum', async (first) => {
  await using own = await testStore();
  await using limits = await openLimits((query) => own.store.streams(query));
  const list = 'streams(first: $first) { nodes { id progress { share } frames(first: 1) { nodes { sequence } } } }';
  const refusal = {
    extensions: { code: 'BAD_INPUT' },
    message: expect.stringContaining('first must be a whole number'),
  };
  expect(await limits.errorOf(`query ($first: Int!) { ${list} }`, { first })).toMatchObject(refusal);
  // A length in the text is part of the cost as well.
  if (first < 100_000)
    expect(await limits.errorOf(`{ ${list.replace('$first', String(first))} }`)).toMatchObject(refusal);
});

test.each([
  ['costs too much', `{ ${pages('1000', '1000')} }`, 'ask for shorter pages'],
  ['lists too much by its variables', `query ($n: Int = 1000) { ${pages('$n', '$n')} }`, 'ask for shorter pages'],
  ['is too long', `{ streams { nodes { ${'id '.repeat(2500)} } } }`, 'spread it over several queries'],
  ['has too many aliases', `{ ${aliases(40)} }`, 'spread them over several queries'],
  [
    'is too deep',
    `{ streams { nodes { ${'frames { edges { node { '.repeat(4)} sequence ${'} } }'.repeat(4)} } } }`,
    'a query of their own',
  ],
])('the refusal of a query that %s says what to do', async (_, query, advice) => {
  await using limits = await openLimits();
  const error = await limits.errorOf(query);
  expect(error?.message).toContain(advice);
  expect(error?.message).not.toContain('Syntax Error');
  expect(error?.extensions).toEqual({ code: 'QUERY_TOO_COMPLEX', retryable: false });
});

test('an unknown fault is masked for the client and logged with its cause', async () => {
  await using limits = await openLimits(async () => {
    throw new Error('no such table in /var/private.db');
  });
  const error = await limits.errorOf('{ streams { nodes { id } } }');
  expect(error?.extensions).toEqual({ code: 'INTERNAL', retryable: true });
  expect(JSON.stringify(error)).not.toContain('private');
  expect(limits.lines.join()).toContain('no such table in /var/private.db');
});

test('a known fault of the server reaches the client with its message, and the log with its cause', async () => {
  await using limits = await openLimits(async () => {
    throw new AppError('STORE_FAILED', 'The database cannot be read.', { cause: new Error('disk on fire') });
  });
  const error = await limits.errorOf('{ streams { nodes { id } } }');
  expect(error).toMatchObject({
    message: 'The database cannot be read.',
    extensions: { code: 'STORE_FAILED', retryable: true },
  });
  expect(JSON.stringify(error)).not.toContain('fire');
  expect(limits.lines.join()).toContain('disk on fire');
});

test('a fault of the client is not logged', async () => {
  await using limits = await openLimits(async () => {
    throw new AppError('CURSOR_INVALID', 'This is no cursor.');
  });
  expect((await limits.errorOf('{ streams { nodes { id } } }'))?.extensions.code).toBe('CURSOR_INVALID');
  expect(limits.lines).toEqual([]);
});

test('a server can be ended twice', async () => {
  const limits = await openLimits();
  await limits[Symbol.asyncDispose]();
  await limits[Symbol.asyncDispose]();
  await expect(limits.errorOf('{ __typename }')).rejects.toThrow();
});
