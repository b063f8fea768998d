import { describe, expect, test } from 'vitest';
import type { FrameEstimate } from '../../src/domain.ts';
import { COLUMNS, createRowWriter, type ExportSource, exportRows } from '../../src/rows/index.ts';
import { face, frame, streamRecord, testStore } from '../store/support.ts';

const FRAMES = 1234;
const stream = { id: 's', name: 'a "name", indeed' };

function frames(count: number): FrameEstimate[] {
  return Array.from({ length: count }, (_, index) =>
    frame('s', index, index % 3 === 0 ? [] : [face(1), face(2, 0.5, 1 / 3)].slice(index % 2)),
  );
}

async function stored(count: number) {
  const own = await testStore();
  await own.store.createStream(streamRecord('s', { name: stream.name }));
  await own.store.appendFrames(frames(count));
  return own;
}

async function textOf(source: ExportSource, format: 'csv' | 'jsonl' = 'csv'): Promise<string> {
  let text = '';
  for await (const piece of exportRows(stream, { source, format })) text += piece;
  return text;
}

describe('an export', () => {
  test.each(['csv', 'jsonl'] as const)('as %s is what the row writer makes of every stored frame', async (format) => {
    await using own = await stored(FRAMES);
    const writer = createRowWriter(format);
    const rows = frames(FRAMES).map((one) => writer.rows(stream.name, one));
    expect(await textOf(own.store, format)).toBe(writer.heading + rows.join(''));
  });

  test('of a stream without frames has the heading alone', async () => {
    await using own = await stored(0);
    expect(await textOf(own.store)).toBe(`${COLUMNS.join(',')}\n`);
    expect(await textOf(own.store, 'jsonl')).toBe('');
  });

  test('reads a page at a time, and none before it is asked for', async () => {
    await using own = await stored(FRAMES);
    const asked: number[] = [];
    const source: ExportSource = {
      progress: (id) => own.store.progress(id),
      framesAfter(id, sequence, limit) {
        if (limit > 1) asked.push(sequence);
        return own.store.framesAfter(id, sequence, limit);
      },
    };
    const rows = exportRows(stream, { source, format: 'csv' });
    await rows.next();
    expect(asked).toEqual([]);
    for (const pages of [1, 2, 3]) {
      const { value } = await rows.next();
      expect(asked).toHaveLength(pages);
      expect(String(value).length).toBeLessThan(200_000);
    }
    await rows.return();
    expect(asked).toHaveLength(3);
  });

  test('of a stream that runs ends with what was stored when it began', async () => {
    await using own = await stored(300);
    const rows = exportRows(stream, { source: own.store, format: 'jsonl' });
    const pieces = [(await rows.next()).value];
    await own.store.appendFrames(frames(900).slice(300));
    for await (const piece of rows) pieces.push(piece);
    const sequences = pieces
      .join('')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { sequence: number }).sequence);
    expect(new Set(sequences)).toEqual(new Set(Array.from({ length: 300 }, (_, index) => index)));
  });

  test.each([0, 1, 3])('of a stream that is erased after %d pages fails instead of ending early', async (pages) => {
    await using own = await stored(FRAMES);
    const rows = exportRows(stream, { source: own.store, format: 'csv' });
    for (let taken = 0; taken <= pages; taken++) await rows.next();
    await own.store.deleteStream('s');
    await expect(
      (async () => {
        for await (const _ of rows);
      })(),
    ).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('not all of it') });
  });
});
