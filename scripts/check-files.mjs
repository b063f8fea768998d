/** House rules about files: how long they are, and what may not stand in them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const MAX_LINES = 500;
const CODE = /\.(ts|tsx|mts|mjs|js|css|py|sh|graphql|prisma)$/;
const TEXT = /(\.(ts|tsx|mts|mjs|js|css|html|py|sh|md|json|toml|graphql|prisma|sql)|NOTICE|LICENSE|run|\.npmrc)$/;
/** Homes and mount points of single machines. */
const MACHINE_PATH = /(^|[\s"'`(=])\/(home|Users|root|work|mnt)\/[\w.-]+/;
/** Generated, or the contract itself, which is one document. */
const MAY_BE_LONG = new Set(['schema.graphql']);

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && existsSync(file));
const faults = [];

for (const file of files.filter((name) => TEXT.test(name) && name !== 'package-lock.json')) {
  const lines = readFileSync(file, 'utf8').split('\n');
  if (CODE.test(file) && lines.length > MAX_LINES && !MAY_BE_LONG.has(file)) {
    faults.push(`${file} has ${lines.length} lines; ${MAX_LINES} is the limit: split it by its ideas`);
  }
  for (const [index, line] of lines.entries()) {
    if (MACHINE_PATH.test(line)) faults.push(`${file}:${index + 1} names a path of one machine`);
  }
}

if (/"resolved": *"https?:/.test(readFileSync('package-lock.json', 'utf8'))) {
  faults.push('package-lock.json names hosts: .npmrc has omit-lockfile-registry-resolved=true; run npm install again');
}
if (/registry *=/.test(readFileSync('.npmrc', 'utf8'))) faults.push('.npmrc names a registry');

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
else console.log(`${files.length} files`);
