#!/usr/bin/env node
// Starts the program: from the sources where they are (a clone, through tsx), else from what was built for publishing.
import { existsSync } from 'node:fs';

const sources = new URL('../src/main.ts', import.meta.url);
const built = new URL('../dist/main.js', import.meta.url);
const fromSources = existsSync(sources);

try {
  if (fromSources) (await import('tsx/esm/api')).register();
} catch {
  console.error('circumplex runs from its sources here and needs its packages: run "npm ci" in its folder first.');
  process.exit(1);
}

const { main } = await import((fromSources ? sources : built).href);
// The code is set, not exited with, so that what is still on its way to a pipe arrives.
process.exitCode = await main(process.argv.slice(2));
