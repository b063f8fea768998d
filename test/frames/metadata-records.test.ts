import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetadataRecords } from '../../src/frames/metadata-records.ts';
import { codeOf } from '../ingest/fixtures/media.ts';

const ticksList = fc.array(fc.option(fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 })), { maxLength: 30 });

function printed(ticks: readonly (number | null)[]): string {
  const lines = ticks.map((tick, index) => {
    const pts = tick === null ? 'NOPTS' : String(tick);
    const time = tick === null ? 'NOPTS' : (tick / 1e9).toPrecision(6);
    return `frame:${String(index).padEnd(4)} pts:${pts.padEnd(7)} pts_time:${time}\ncircumplex=1\n`;
  });
  return lines.join('');
}

function read(pieces: readonly string[]): (number | null)[] {
  const records = new MetadataRecords();
  return pieces.flatMap((piece) => records.add(piece));
}

describe("ffmpeg's records", () => {
  it('give the same ticks, to the last digit, however the text is cut', () => {
    fc.assert(
      fc.property(ticksList, fc.array(fc.nat(2000)), (ticks, cuts) => {
        const text = printed(ticks);
        const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
        expect(read(at.map((from, index) => text.slice(from, at[index + 1] ?? from)))).toEqual(ticks);
      }),
    );
  });

  it('count once their first line is complete', () => {
    const records = new MetadataRecords();
    expect(records.add('frame:0    pts:40 pts_time:0.04')).toEqual([]);
    expect(records.add('\n')).toEqual([40]);
    expect(records.add('circumplex=1\n')).toEqual([]);
  });

  it('may start to number anew', () => {
    expect(read(['frame:7    pts:1       pts_time:1\nx=1\nframe:0    pts:2       pts_time:2\nx=1\n'])).toEqual([1, 2]);
  });

  it.each(['nonsense\n', 'frame:x pts:1 pts_time:1\n', 'frame:0 pts:1.5 pts_time:1\n', '\n', 'x'.repeat(600)])(
    'are an error when they are something else: %j',
    async (text) => {
      expect(await codeOf(Promise.resolve(text).then((one) => read([one])))).toBe('INTERNAL');
    },
  );
});
