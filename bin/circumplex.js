#!/usr/bin/env node
// Starts the program: from the sources where they are (a clone, through tsx), else from what was built for publishing.
import { existsSync } from 'node:fs';

const sources = new URL('../src/main.ts', import.meta.url);
const built = new URL('../dist/main.js', import.meta.url);

async function load() {
  if (!existsSync(sources)) return import(built.href);
  const { register } = await import('tsx/esm/api');
  register();
  return import(sources.href);
}

try {
  const { main } = await load();
  // The code is set, not exited with, so that what is still on its way to a pipe arrives.
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(error?.code)) throw error;
  const [reason] = String(error.message).split('\n');
  const cure = existsSync(sources) ? 'node scripts/setup.mjs' : 'npm ci';
  console.error(`circumplex: its parts are not all there; run "${cure}" in its folder first. (${reason})`);
  process.exitCode = 1;
}
