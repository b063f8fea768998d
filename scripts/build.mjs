/** Compiles src/ to dist/ for publishing: plain JavaScript that Node runs without a loader. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';

// The set-up, which npm runs before this, has built the page; without it the package would have none.
if (!existsSync('web/dist/index.html')) {
  console.error('web/dist/index.html is missing: run node scripts/setup.mjs');
  process.exit(1);
}
rmSync('dist', { recursive: true, force: true });
const { status } = spawnSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
process.exitCode = status ?? 1;
