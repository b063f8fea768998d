/**
 * Makes a clone ready to run: packages, ffmpeg, generated code, the page. Behind `npm start`, `npm test` and `npm run check`; does
 * only what is missing, and needs neither time nor network when nothing is. Plain Node: it runs before anything is there.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './setup-lock.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
/** Inside node_modules, so that whoever deletes that folder deletes the stamps with it. */
const STAMPS = join(MODULES, '.circumplex');
const MIN_NODE = [20, 19];

/** What the types of server and page are generated from, and what comes of it. */
const CONTRACT = ['schema.graphql', 'codegen.ts', 'web/src/server/operations.graphql'];
const SCHEMA_TYPES = ['src/generated/graphql.ts', 'web/src/generated/graphql.ts'];

/** Something that has to be there: how to see at a glance that it is, and how to make it. */
const STEPS = [
  stamped('packages', {
    inputs: () => ['package-lock.json'],
    makes: ['node_modules/.package-lock.json'],
    make: installPackages,
  }),
  { isDone: () => isOnPath('ffmpeg') && isOnPath('ffprobe'), make: installFfmpeg },
  stamped('prisma', {
    inputs: () => ['prisma/schema.prisma', 'prisma.config.ts', 'node_modules/prisma/package.json'],
    makes: ['src/generated/prisma/client.ts'],
    make: generateDatabaseClient,
  }),
  stamped('graphql', {
    inputs: () => [...CONTRACT, 'node_modules/@graphql-codegen/cli/package.json'],
    makes: SCHEMA_TYPES,
    make: generateSchemaTypes,
  }),
  stamped('web', {
    inputs: () => [
      ...CONTRACT,
      ...pageSources(),
      'tsconfig.json',
      'package-lock.json',
      'node_modules/vite/package.json',
    ],
    makes: ['web/dist/index.html'],
    make: buildPage,
  }),
];

checkNode();
if (!STEPS.every((step) => step.isDone())) {
  withLock(join(ROOT, '.setup-lock'), () => {
    // In order, and looked at again: packages may have just come, or a set-up beside this one has done the work.
    for (const step of STEPS) if (!step.isDone()) step.make();
  });
}

function fail(message, output = '') {
  console.error(`setup: ${message}${output === '' ? '' : `\n${output.slice(-4000)}`}`);
  process.exit(1);
}

function run(program, args, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { ok: status === 0, output: error === undefined ? `${stdout}${stderr}` : error.message };
}

function isOnPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A step that is done when all that it makes exists and was made from these very inputs, for a Node that runs the same binaries. */
function stamped(name, { inputs, makes, make }) {
  const stamp = join(STAMPS, name);
  const fingerprint = () => {
    const hash = createHash('sha256').update([process.versions.modules, process.platform, process.arch].join(' '));
    for (const path of inputs()) {
      const file = join(ROOT, path);
      hash.update(`\0${path}\0`).update(existsSync(file) ? readFileSync(file) : '(missing)');
    }
    return hash.digest('hex');
  };
  return {
    isDone: () =>
      makes.every((path) => existsSync(join(ROOT, path))) &&
      existsSync(stamp) &&
      readFileSync(stamp, 'utf8') === fingerprint(),
    make: () => {
      // Before: what is saved meanwhile may not be in what was made.
      const made = fingerprint();
      make();
      mkdirSync(STAMPS, { recursive: true });
      writeFileSync(stamp, made);
    },
  };
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])) return;
  fail(`Node ${MIN_NODE.join('.')} or later is needed; this is ${process.versions.node}. See https://nodejs.org`);
}

/** How packages of the system are installed here without a question: a function of their names, or null. */
function systemInstaller() {
  const root = process.getuid?.() === 0;
  const mayInstall = isOnPath('apt-get') && (root || (isOnPath('sudo') && run('sudo', ['-n', 'true']).ok));
  // Homebrew refuses to run as root.
  if (!mayInstall) return isOnPath('brew') && !root ? (names) => run('brew', ['install', ...names]) : null;
  const aptGet = (...args) => {
    // sudo hands no variables on, and a proxy may be the only way out.
    const proxies = ['http_proxy', 'https_proxy', 'no_proxy'].flatMap((name) =>
      process.env[name] === undefined ? [] : [`${name}=${process.env[name]}`],
    );
    const command = ['env', 'DEBIAN_FRONTEND=noninteractive', ...proxies, 'apt-get', '-qq', ...args];
    return root ? run(command[0], command.slice(1)) : run('sudo', ['-n', ...command]);
  };
  return (names) => {
    const install = () => aptGet('install', '-y', '--no-install-recommends', ...names);
    const first = install();
    // On a fresh machine the lists of packages are missing, on an old one they are stale.
    if (first.ok) return first;
    const update = aptGet('update');
    const second = install();
    return { ok: second.ok, output: `${update.output}${second.output}` };
  };
}

function installFfmpeg() {
  const byHand = isOnPath('apt-get') ? 'sudo apt-get install ffmpeg' : 'brew install ffmpeg, or https://ffmpeg.org';
  const install = systemInstaller();
  if (install === null) {
    fail(`ffmpeg and ffprobe are missing, and may not be installed from here. Install them (${byHand}) and try again.`);
  }
  console.log('setup: installing ffmpeg');
  const { output } = install(['ffmpeg']);
  if (isOnPath('ffmpeg') && isOnPath('ffprobe')) return;
  fail(`ffmpeg could not be installed. Install it by hand (${byHand}) and try again.`, output);
}

/**
 * Scripts of packages stay off: of all that have one, only SQLite's binding needs it (it fetches a build of itself or
 * compiles one). onnxruntime would fetch CUDA libraries, Prisma an engine that nothing here uses.
 */
function installPackages() {
  console.log('setup: installing packages (npm ci)');
  // Development packages as well, whatever NODE_ENV says: they generate the code and load the sources.
  const { ok, output } = run('npm', ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund']);
  if (!ok) fail('npm ci failed.', output);
  const rebuild = () => run('npm', ['rebuild', 'better-sqlite3', '--foreground-scripts', '--ignore-scripts=false']);
  let built = rebuild();
  if (sqliteLoads()) return;
  const install = isOnPath('apt-get') ? systemInstaller() : null;
  if (install !== null) {
    console.log('setup: installing a C++ compiler for the SQLite binding');
    install(['build-essential', 'python3']);
    built = rebuild();
    if (sqliteLoads()) return;
  }
  fail(
    'the SQLite binding could be neither fetched (from github.com) nor compiled (with headers from nodejs.org). See that ' +
      'one of the two can be reached, install a C++ compiler, make and python3 (on Debian: sudo apt-get install ' +
      'build-essential python3) and try again.',
    built.output,
  );
}

/** A loaded binding is the only proof. */
function sqliteLoads() {
  return run(process.execPath, ['-e', "new (require('better-sqlite3'))(':memory:').close()"]).ok;
}

function generateDatabaseClient() {
  console.log('setup: generating the database client');
  // The generator needs no schema engine, but the command line would fetch one: it is told that there is one.
  const engine = ['/bin/true', '/usr/bin/true'].find((path) => existsSync(path)) ?? process.execPath;
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: engine, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' };
  const { ok, output } = run(join(MODULES, '.bin', 'prisma'), ['generate'], env);
  if (!ok) fail('prisma generate failed.', output);
}

function generateSchemaTypes() {
  console.log('setup: generating the types of the schema');
  const { ok, output } = run(join(MODULES, '.bin', 'graphql-codegen'), ['--config', 'codegen.ts', '--silent']);
  if (ok) return;
  // A half-written file would pass for a whole one.
  for (const path of SCHEMA_TYPES) rmSync(join(ROOT, path), { force: true });
  fail('graphql-codegen failed.', output);
}

/** Every file of web/ but those that are made, in an order that does not change. */
function pageSources() {
  const made = [join('web', 'dist'), join('web', 'src', 'generated')];
  const filesBelow = (folder) =>
    readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (!entry.isDirectory()) return [path];
      return made.includes(path) ? [] : filesBelow(path);
    });
  return filesBelow('web').sort();
}

function buildPage() {
  console.log('setup: building the page');
  // Whatever NODE_ENV says: vite would build a page for developers.
  const env = { NODE_ENV: 'production', NO_COLOR: '1' };
  const { ok, output } = run(join(MODULES, '.bin', 'vite'), ['build', 'web', '--logLevel', 'warn'], env);
  if (ok) return;
  rmSync(join(ROOT, 'web/dist'), { recursive: true, force: true });
  fail('vite build failed.', output);
}
