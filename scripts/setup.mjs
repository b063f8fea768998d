/**
 * Makes a clone ready to run: dependencies, ffmpeg, generated code. Behind `npm start` and `npm test`; does only what is
 * missing, and nothing of it needs the network once everything is there. Plain Node: it runs before anything is installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
const STAMPS = join(MODULES, '.circumplex');
const LOCK = join(ROOT, '.setup-lock');
/** A set-up that takes longer than this has died. Compiling SQLite on a small machine takes three minutes. */
const LOCK_MAX_AGE_MS = 15 * 60_000;
const MIN_NODE = [20, 19];

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

function run(program, args, { env = {}, quiet = true } = {}) {
  const done = spawnSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { ok: done.status === 0, output: `${done.stdout ?? ''}${done.stderr ?? ''}` };
}

function exists(program) {
  return spawnSync(program, ['-version'], { stdio: 'ignore' }).status === 0;
}

/** A hash of the files' bytes and names; a missing file counts as such. */
function fingerprint(paths) {
  const hash = createHash('sha256').update(process.version);
  for (const path of paths) {
    const file = join(ROOT, path);
    hash.update(`\0${path}\0`).update(existsSync(file) ? readFileSync(file) : '(missing)');
  }
  return hash.digest('hex');
}

/** Runs `work` unless it was done for these very inputs and what it makes is there. */
function once(name, { inputs, makes }, work) {
  const stamp = join(STAMPS, name);
  const wanted = fingerprint(inputs);
  if (existsSync(join(ROOT, makes)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  work();
  mkdirSync(STAMPS, { recursive: true });
  writeFileSync(stamp, wanted);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])) return;
  fail(`Node ${MIN_NODE.join('.')} or later is needed; this is ${process.versions.node}. See https://nodejs.org`);
}

/** How packages of the system are installed here without a question; `null` where they cannot be. */
function systemInstaller() {
  if (process.platform === 'darwin') {
    return spawnSync('brew', ['--version'], { stdio: 'ignore' }).status === 0
      ? (names) => run('brew', ['install', ...names])
      : null;
  }
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) return null;
  const root = process.getuid?.() === 0;
  if (!root && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0) return null;
  const [program, ...before] = root ? ['apt-get'] : ['sudo', '-n', 'apt-get'];
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  return (names) => {
    run(program, [...before, 'update', '-qq'], { env });
    return run(program, [...before, 'install', '-y', '-qq', '--no-install-recommends', ...names], { env });
  };
}

function installFfmpeg() {
  if (exists('ffmpeg') && exists('ffprobe')) return;
  const byHand = process.platform === 'darwin' ? 'brew install ffmpeg' : 'sudo apt-get install ffmpeg';
  const install = systemInstaller();
  if (install === null)
    fail(`ffmpeg is missing and may not be installed from here. Install it (${byHand}), then try again.`);
  console.log('setup: installing ffmpeg');
  const { output } = install(['ffmpeg']);
  if (!exists('ffmpeg') || !exists('ffprobe'))
    fail(`ffmpeg could not be installed. Try it by hand: ${byHand}\n${output.slice(-2000)}`);
}

/** SQLite's binding is native: npm downloads a build of it or compiles one. A loaded binding is the only proof. */
function sqliteLoads() {
  return run(process.execPath, ['-e', "new (require('better-sqlite3'))(':memory:').close()"]).ok;
}

function installDependencies() {
  once('dependencies', { inputs: ['package-lock.json'], makes: 'node_modules/.package-lock.json' }, () => {
    console.log('setup: installing dependencies (npm ci)');
    const { ok, output } = run('npm', ['ci', '--no-audit', '--no-fund']);
    if (!ok) fail(`npm ci failed:\n${output.slice(-4000)}`);
    if (sqliteLoads()) return;
    const rebuild = () => run('npm', ['rebuild', 'better-sqlite3', '--foreground-scripts']);
    console.log('setup: building the SQLite binding');
    if (rebuild().ok && sqliteLoads()) return;
    const install = process.platform === 'darwin' ? null : systemInstaller();
    if (install !== null) install(['build-essential', 'python3']);
    const last = rebuild();
    if (!last.ok || !sqliteLoads()) {
      fail(
        `The SQLite binding could not be built. Install a C++ compiler, make and python3, then try again.\n${last.output.slice(-3000)}`,
      );
    }
  });
}

function generateCode() {
  const bin = (name) => join(MODULES, '.bin', name);
  const versions = 'node_modules/.package-lock.json';
  once(
    'prisma',
    { inputs: ['prisma/schema.prisma', 'prisma.config.ts', versions], makes: 'src/generated/prisma/client.ts' },
    () => {
      console.log('setup: generating the database client');
      // The generator needs no schema engine, but the command line would fetch one: it is told that there is one.
      const engine = existsSync('/bin/true') ? '/bin/true' : '/usr/bin/true';
      const { ok, output } = run(bin('prisma'), ['generate'], {
        env: { PRISMA_SCHEMA_ENGINE_BINARY: engine, PRISMA_HIDE_UPDATE_MESSAGE: '1' },
      });
      if (!ok) fail(`prisma generate failed:\n${output.slice(-4000)}`);
    },
  );
  once('graphql', { inputs: ['schema.graphql', 'codegen.ts', versions], makes: 'src/generated/graphql.ts' }, () => {
    console.log('setup: generating the types of the schema');
    const { ok, output } = run(bin('graphql-codegen'), ['--config', 'codegen.ts', '--silent']);
    if (!ok) fail(`graphql-codegen failed:\n${output.slice(-4000)}`);
  });
}

/** One set-up at a time: a second one waits for the first and then finds nothing missing. */
function withLock(work) {
  for (;;) {
    try {
      mkdirSync(LOCK);
      break;
    } catch {
      const age = existsSync(LOCK) ? Date.now() - statSync(LOCK).mtimeMs : 0;
      if (age > LOCK_MAX_AGE_MS) rmSync(LOCK, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
    }
  }
  const release = () => rmSync(LOCK, { recursive: true, force: true });
  process.once('exit', release);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  work();
}

checkNode();
withLock(() => {
  installDependencies();
  installFfmpeg();
  generateCode();
});
