/** `npm run check`: everything about the code that needs no running program. Runs all, then fails if any failed. */
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const CHECKS = [
  ['types', 'tsc', '-p', '.'],
  ['format and lint', 'biome', 'ci', '--error-on-warnings', '.'],
  [
    'promises',
    'oxlint',
    '--type-aware',
    '-A',
    'all',
    '-D',
    'typescript/no-floating-promises',
    '-D',
    'typescript/no-misused-promises',
    '-D',
    'typescript/await-thenable',
    'src',
    'test',
    'bench',
    'scripts',
  ],
  ['layers', process.execPath, 'scripts/check-layers.mjs'],
  ['schema and generated code', process.execPath, 'scripts/check-generated.mjs'],
  ['detector', 'tsx', 'scripts/convert-detector.ts', '--check'],
  ['tree', process.execPath, 'scripts/check-tree.mjs'],
];

function runCheck([name, program, ...args]) {
  return new Promise((resolve) => {
    const began = performance.now();
    const env = { ...process.env, PATH: `${ROOT}/node_modules/.bin:${process.env.PATH}` };
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('error', (error) => resolve({ name, ok: false, output: error.message, seconds: 0 }));
    child.once('close', (code) =>
      resolve({ name, ok: code === 0, output, seconds: (performance.now() - began) / 1000 }),
    );
  });
}

let failed = 0;
for (const check of CHECKS) {
  const { name, ok, output, seconds } = await runCheck(check);
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(1)} s)`);
  if (!ok) {
    failed += 1;
    console.log(output);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
