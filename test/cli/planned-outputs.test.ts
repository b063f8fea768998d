import { join, normalize, sep } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filesBeside, plannedOutputs } from '../../src/cli/planned-outputs.ts';
import { OUTPUT_FORMATS } from '../../src/rows/index.ts';

const part = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
    fc.constantFrom('a', 'A', 'b.mp4', 'b.mp4.csv', 'b.mp4.csv.json', 'b.mp4.csv.part', 'b.mp4.jsonl', ' ', '-', 'c.'),
  )
  .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..');
/** A path below a folder as a walk gives it. */
const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const place = fc.record({
  folder: fc.constantFrom('out', '/tmp/out', '.', '../out'),
  format: fc.constantFrom(...OUTPUT_FORMATS),
});
const input = (path: string) => ({ path: `in/${path}`, name: path });

describe('the outputs of a folder', () => {
  it('lie below the folder, one for each input in their order, and nothing lies on another', () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 8 }), place, (names, { folder, format }) => {
        const planned = outputsOrNull(names, { folder, format });
        if (planned === null) return;
        expect(planned.map(({ output }) => output)).toEqual(names.map((one) => join(folder, `${one}.${format}`)));
        const files = planned.flatMap(({ output }) => filesBeside(output));
        const below = folder === '.' ? '' : normalize(folder) + sep;
        for (const file of files)
          expect(file.startsWith(below) && file.slice(below.length).split(sep)[0] !== '..').toBe(true);
        const all = new Set(files);
        expect(all.size).toBe(files.length);
        for (const file of files) {
          for (const parent of parentsOf(file)) expect(all.has(parent)).toBe(false);
        }
      }),
      // A name may begin like the way up.
      { numRuns: 500, examples: [[['..a'], { folder: 'out', format: 'csv' }]] },
    );
  });

  it('are refused only where two of them would be one, or one would be in the way of another', () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), place, (names, { folder, format }) => {
        const files = names.flatMap((one) => filesBeside(join(folder, `${one}.${format}`)));
        const clash = files.some((file) => parentsOf(file).some((parent) => files.includes(parent)));
        expect(outputsOrNull(names, { folder, format }) === null).toBe(clash);
        expect(() => plannedOutputs([...names, names[0]!].map(input), { folder, format })).toThrow(
          'would both be written',
        );
      }),
      { numRuns: 500 },
    );
  });

  it('are refused with both inputs and what to do', () => {
    const inputs = [
      { path: 'monday/a.mp4', name: 'a.mp4' },
      { path: 'tuesday/a.mp4', name: 'a.mp4' },
    ];
    expect(() => plannedOutputs(inputs, { folder: 'out', format: 'csv' })).toThrow(
      expect.objectContaining({
        code: 'BAD_INPUT',
        message: expect.stringMatching(/"monday\/a\.mp4" and "tuesday\/a\.mp4".*"out\/a\.mp4\.csv".*--output-dir/),
      }),
    );
  });
});

function outputsOrNull(names: readonly string[], options: Parameters<typeof plannedOutputs>[1]) {
  try {
    return plannedOutputs(names.map(input), options);
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_INPUT' });
    return null;
  }
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}
