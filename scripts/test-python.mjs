/**
 * `npm run test:python`: the tests of `training/` that need no PyTorch, in a virtual environment of their own, which is
 * made the first time. Ends with 0 where they pass, 1 where not, and 3 where there is no Python or nothing can be
 * installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CANNOT_SET_UP = 3;
const TRAINING = fileURLToPath(new URL('../training/', import.meta.url));
const VENV = fileURLToPath(new URL('../node_modules/.circumplex/python', import.meta.url));
const PYTHON = join(VENV, 'bin', 'python');
const STAMP = join(VENV, 'installed');
const REQUIREMENTS = join(TRAINING, 'requirements-light.txt');

const wanted = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex');
if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== wanted) install();
process.exitCode = run(PYTHON, ['-m', 'pytest', '-q', TRAINING]) ? 0 : 1;

function install() {
  const isEnough = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))';
  if (!run('python3', ['-c', isEnough])) giveUp('needs python3 3.11 or later with venv (Debian: python3-venv).');
  rmSync(VENV, { recursive: true, force: true });
  const steps = [
    ['python3', ['-m', 'venv', VENV]],
    [PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries', '2', '-r', REQUIREMENTS]],
  ];
  if (!steps.every(([program, argv]) => run(program, argv))) giveUp('pip could not install; what it says is above.');
  writeFileSync(STAMP, wanted);
}

function run(program, argv) {
  return spawnSync(program, argv, { cwd: TRAINING, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

function giveUp(why) {
  console.error(`test:python: ${why}`);
  process.exit(CANNOT_SET_UP);
}
