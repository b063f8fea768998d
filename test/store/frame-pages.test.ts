import { randomUUID } from 'node:crypto';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FrameEstimate } from '../../src/domain.ts';
import { PrismaClient } from '../../src/generated/prisma/client.ts';
import { readFrames } from '../../src/store/frame-reader.ts';
import type { FrameQuery } from '../../src/store/index.ts';
import { face, frame, streamRecord, type TestStore, testStore } from './support.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await testStore();
});
afterAll(() => opened[Symbol.asyncDispose]());

async function newStream(frames: readonly FrameEstimate[]): Promise<string> {
  const id = randomUUID();
  await opened.store.createStream(streamRecord(id));
  await opened.store.appendFrames(frames.map((one) => ({ ...one, streamId: id })));
  return id;
}

/** What a page should be, without any index. */
function expected(frames: readonly FrameEstimate[], query: Omit<FrameQuery, 'first'>): FrameEstimate[] {
  const { fromSeconds = -Infinity, toSeconds = Infinity, trackNumber, afterSequence = -1 } = query;
  return frames
    .filter(({ ptsSeconds }) => ptsSeconds >= fromSeconds && ptsSeconds < toSeconds)
    .filter(({ sequence }) => sequence > afterSequence)
    .map((one) =>
      trackNumber === undefined ? one : { ...one, faces: one.faces.filter((seen) => seen.trackNumber === trackNumber) },
    )
    .filter(({ faces }) => trackNumber === undefined || faces.length > 0);
}

/** Frames at times that never fall: some together, some hours apart; tracks come and go. */
const irregularFrames = fc
  .record({
    firstSequence: fc.constantFrom(0, 0, 5),
    beginSeconds: fc.constantFrom(0, -1.5, 12.3),
    steps: fc.array(
      fc.record({
        seconds: fc.constantFrom(0, 0.04, 0.2, 0.2, 1 / 3, 7200),
        tracks: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 30 },
    ),
  })
  .map(({ firstSequence, beginSeconds, steps }) => {
    let ptsSeconds = beginSeconds;
    return steps.map(({ seconds, tracks }, index) => {
      ptsSeconds += seconds;
      const faces = tracks.sort((a, b) => a - b).map((number) => face(number));
      return { ...frame('', firstSequence + index, faces), ptsSeconds };
    });
  });

/** A time at, just before or just after a frame, or the start or end of nothing. */
const place = fc.record({ index: fc.nat(30), offsetSeconds: fc.constantFrom(0, 0, -0.01, 0.01, -1e6, 1e300) });
const question = fc.record({
  from: fc.option(place, { nil: undefined }),
  to: fc.option(place, { nil: undefined }),
  trackNumber: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  afterSequence: fc.option(fc.constantFrom(0, 1, 3, 7, 12, 20, 34, 99_999_999_999), { nil: undefined }),
  first: fc.integer({ min: 1, max: 8 }),
});

function queryOf(
  frames: readonly FrameEstimate[],
  { from, to, trackNumber, afterSequence, first }: typeof question extends fc.Arbitrary<infer T> ? T : never,
): FrameQuery {
  const timeOf = ({ index, offsetSeconds }: { readonly index: number; readonly offsetSeconds: number }): number =>
    (frames[index % frames.length]?.ptsSeconds ?? 0) + offsetSeconds;
  const [a, b] = [from && timeOf(from), to && timeOf(to)];
  const backwards = a !== undefined && b !== undefined && a > b;
  const [fromSeconds, toSeconds] = backwards ? [b, a] : [a, b];
  return {
    first,
    ...(fromSeconds === undefined ? {} : { fromSeconds }),
    ...(toSeconds === undefined ? {} : { toSeconds }),
    ...(trackNumber === undefined ? {} : { trackNumber }),
    ...(afterSequence === undefined ? {} : { afterSequence }),
  };
}

test('pages of any range, track, cursor and length join to the frames that a plain filter finds', async () => {
  await fc.assert(
    fc.asyncProperty(
      irregularFrames,
      fc.array(question, { minLength: 10, maxLength: 10 }),
      async (given, questions) => {
        const streamId = await newStream(given);
        const frames = given.map((one) => ({ ...one, streamId }));
        for (const query of questions.map((one) => queryOf(frames, one))) {
          const wanted = expected(frames, query);
          const found: FrameEstimate[] = [];
          let asked = query;
          for (;;) {
            const { items, hasNextPage } = await opened.store.frames(streamId, asked);
            found.push(...items);
            expect(hasNextPage).toBe(found.length < wanted.length);
            const last = items.at(-1);
            if (!hasNextPage || last === undefined) break;
            expect(items).toHaveLength(query.first);
            asked = { ...query, afterSequence: last.sequence };
          }
          expect(found).toEqual(wanted);
        }
        await opened.store.deleteStream(streamId);
      },
    ),
    { numRuns: 60 },
  );
});

test('a longest page of a track with gaps holds its frames alone, each once', async () => {
  const given = Array.from({ length: 2500 }, (_, index) => frame('', index, [face(1 + (index % 2)), face(3)]));
  const streamId = await newStream(given);
  const { items, hasNextPage } = await opened.store.frames(streamId, { trackNumber: 2, first: 1000 });
  expect(hasNextPage).toBe(true);
  expect(items.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 1000 }, (_, index) => 1 + 2 * index));
  expect(items.every(({ faces }) => faces.length === 1 && faces[0]?.trackNumber === 2)).toBe(true);
});

describe('SQLite finds a page by seeks, without reading what is not of it', () => {
  const ranges = [{}, { fromSeconds: 1 }, { toSeconds: 2 }, { fromSeconds: 1, toSeconds: 2 }];
  const cursors = [{}, { afterSequence: 3 }];
  const tracks = [{}, { trackNumber: 1 }];
  const queries = ranges.flatMap((range) =>
    cursors.flatMap((cursor) => tracks.map((track) => ({ ...range, ...cursor, ...track, first: 10 }))),
  );

  test.each(queries)('%j', async (query) => {
    const streamId = await newStream(Array.from({ length: 20 }, (_, index) => frame('', index)));
    const database = new PrismaClient({
      adapter: new PrismaBetterSqlite3({ url: opened.databaseUrl }),
      log: [{ emit: 'event', level: 'query' }],
    });
    try {
      const asked: { readonly query: string; readonly params: string }[] = [];
      database.$on('query', (event) => asked.push(event));
      expect((await readFrames(database, streamId, query)).items).not.toEqual([]);
      expect(asked).toHaveLength(2);
      const plans = await Promise.all(
        asked.map(({ query: sql, params }) =>
          database.$queryRawUnsafe<{ detail: string }[]>(`EXPLAIN QUERY PLAN ${sql}`, ...JSON.parse(params)),
        ),
      );
      // Each table by more than its stream, in the order of an index but for frames of one time.
      const [page, faces] = plans.map((rows) =>
        rows.map(({ detail }) => detail).filter((line) => !/SUBQUERY/.test(line)),
      );
      const allowed = /^(SEARCH .*\(streamId=\? AND .*\)|USE TEMP B-TREE FOR LAST TERM OF ORDER BY)$/;
      expect(page!.filter((line) => !allowed.test(line))).toEqual([]);
      // The faces of the page alone, which are few enough to be sorted.
      expect(
        faces!.filter((line) => !/^(SEARCH .*\(streamId=\? AND .*>\? AND .*<\?\)|USE TEMP B-TREE .*)$/.test(line)),
      ).toEqual([]);
    } finally {
      await database.$disconnect();
    }
  });
});
