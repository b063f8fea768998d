/** `npm run fuzz` runs many more; FUZZ_SEED and FUZZ_ONLY repeat one input, FUZZ_KIND runs one kind. */
import { expect, test } from 'vitest';
import { reportLines, runFuzz } from './run-fuzz.ts';

const MEBIBYTE = 1024 * 1024;
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env.FUZZ_RUNS ?? 300);
const only = process.env.FUZZ_ONLY === undefined ? {} : { only: Number(process.env.FUZZ_ONLY) };
const kind = process.env.FUZZ_KIND === undefined ? {} : { kind: process.env.FUZZ_KIND };

test(
  `${runs} inputs that are nearly right break nothing, and each is answered as it should be`,
  async () => {
    const report = await runFuzz({ seed, runs, ...only, ...kind });
    console.log(reportLines({ seed, runs }, report).join('\n'));
    expect(report.findings).toEqual([]);
    const { before, after } = report.levels;
    expect(after.mediaProcesses).toBe(0);
    // Connections that are kept for a next request come and go.
    expect(after.fileDescriptors).toBeLessThanOrEqual(before.fileDescriptors + 10);
    expect(after.heldBytes - before.heldBytes).toBeLessThan(30 * MEBIBYTE);
    expect(after.rssBytes - before.rssBytes).toBeLessThan(200 * MEBIBYTE);
  },
  180_000 + runs * 600,
);
