/** One set-up of a clone at a time. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const POLL_MS = 250;
/** Time between making the folder and writing the owner's number into it, with a wide margin. */
const OWNER_UNKNOWN_MS = 10_000;

/** Runs `work` alone among those who use the same `folder` as their lock; a lock whose owner has died is taken over. */
export function withLock(folder, work) {
  let told = false;
  while (!take(folder)) {
    if (!ownerIsAlive(folder)) {
      rmSync(folder, { recursive: true, force: true });
      continue;
    }
    if (!told) console.log(`setup: waiting for another set-up of this folder (where there is none, delete ${folder})`);
    told = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
  // Also when work ends the process. The programs that work waits for get the terminal's signals themselves.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  work();
}

function take(folder) {
  try {
    mkdirSync(folder);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error;
    console.error(
      `setup: something is missing here, and ${dirname(folder)} may not be written to (${error.code}). Run ` +
        '"node scripts/setup.mjs" once as a user who may; "node bin/circumplex.js serve" then starts without a set-up.',
    );
    process.exit(1);
  }
  writeFileSync(join(folder, 'owner'), String(process.pid));
  return true;
}

function ownerIsAlive(folder) {
  try {
    const owner = Number(readFileSync(join(folder, 'owner'), 'utf8'));
    // The number of a process that was killed in another container, or before a restart, may be ours by now.
    if (owner === process.pid) return false;
    if (owner > 0) {
      process.kill(owner, 0);
      return true;
    }
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    if (error.code === 'EPERM') return true;
  }
  // No number yet: just made, or its owner died right then; gone by now counts as free.
  try {
    return Date.now() - statSync(folder).mtimeMs < OWNER_UNKNOWN_MS;
  } catch {
    return false;
  }
}
