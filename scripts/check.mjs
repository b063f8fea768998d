/** `npm run check`: everything about the code that needs no running program. Runs all, then fails if any failed. */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PROMISE_RULES = ['no-floating-promises', 'no-misused-promises'];
const CODE = ['src', 'web/src', 'test', 'bench', 'scripts', 'examples'];

/** Each with the program and its arguments; programs are those of node_modules. */
const CHECKS = [
  ['types', 'tsc', '-p', '.'],
  ['types of the page', 'tsc', '-p', 'web'],
  ['types of its tests', 'tsc', '-p', 'test/web'],
  ['format and lint', 'biome', 'ci', '--colors=off', '--error-on-warnings', '.'],
  [
    'promises',
    'oxlint',
    ...['--type-aware', '-A', 'all', ...PROMISE_RULES.flatMap((rule) => ['-D', `typescript/${rule}`]), ...CODE],
  ],
  ['layers', 'node', 'scripts/check-layers.mjs'],
  ['schema and its types', 'tsx', 'scripts/check-generated.ts'],
  ['detector', 'tsx', 'scripts/convert-detector.ts', '--check'],
  ['notice', 'node', 'scripts/notice.mjs', '--check'],
  ['files', 'node', 'scripts/check-files.mjs'],
  ['documents', 'node', 'scripts/check-docs.mjs'],
];

/** Checks at work at once; types and promises each keep a core busy. */
const SIDE_BY_SIDE = Math.min(4, availableParallelism());

let failed = 0;
const waiting = [...CHECKS];
await Promise.all(
  Array.from({ length: SIDE_BY_SIDE }, async () => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const { ok, output, seconds } = await run(check);
      console.log(`${ok ? 'ok  ' : 'FAIL'} ${check[0]} (${seconds.toFixed(1)} s)`);
      if (ok) continue;
      failed += 1;
      console.log(output);
    }
  }),
);
console.log(failed === 0 ? `${CHECKS.length} checks passed` : `${failed} of ${CHECKS.length} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;

function run([, program, ...args]) {
  return new Promise((resolve) => {
    const began = performance.now();
    const env = {
      ...process.env,
      NO_COLOR: '1',
      PATH: [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter),
    };
    // Who sees both says so in every child.
    delete env.FORCE_COLOR;
    const child = spawn(program === 'node' ? process.execPath : program, args, {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('error', (error) => resolve({ ok: false, output: error.message, seconds: 0 }));
    child.once('close', (code) => resolve({ ok: code === 0, output, seconds: (performance.now() - began) / 1000 }));
  });
}
