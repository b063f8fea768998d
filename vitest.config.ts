import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

/** Clips and portraits that may not be part of the repository; whoever has them puts them beside it. */
const ACCEPTANCE_DATA = fileURLToPath(new URL('../shared/data', import.meta.url));
const hasAcceptanceData = existsSync(ACCEPTANCE_DATA);
if (!hasAcceptanceData) {
  console.log('test/acceptance is left out: its pictures (../shared/data) are not beside this repository.');
}

export default defineConfig({
  // Node gives every package the same copy of graphql; without this the tests would give our files a second one.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(hasAcceptanceData ? [] : ['test/acceptance/**'])],
    // Each file may start worker threads and ffmpeg of its own: two files at a time keep a small machine busy.
    maxWorkers: 2,
    // Against what hangs, not against what is slow: a busy machine must not fail a test.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    reporters: process.env.VITEST_JSON === undefined ? ['default'] : ['default', 'json'],
    ...(process.env.VITEST_JSON === undefined ? {} : { outputFile: { json: process.env.VITEST_JSON } }),
  },
});
