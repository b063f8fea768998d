import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** What Node needs to start a script of ours in a thread or a process of its own. */
export interface ScriptLaunch {
  readonly url: URL;
  readonly execArgv: string[];
}

/**
 * Finds the script `name` (without extension, e.g. `../worker`) beside the module `importerUrl` (its `import.meta.url`).
 *
 * The one place that knows how a script is started: from the sources it is TypeScript and needs tsx as its loader; from
 * the published package it is JavaScript and needs nothing. tsx is registered by a call, because its `--import tsx` does
 * nothing in a worker thread (tsx 4.23 on Node 20.20), and by an absolute address, because Node looks for a bare name in
 * the working directory, which is the user's.
 */
export function scriptLaunch(name: string, importerUrl: string): ScriptLaunch {
  if (!importerUrl.endsWith('.ts')) return { url: new URL(`${name}.js`, importerUrl), execArgv: [] };
  // By path, because `require.resolve('tsx/esm/api')` would give the CommonJS twin, which fails to load here.
  const manifest = pathToFileURL(createRequire(importerUrl).resolve('tsx/package.json'));
  const loader = new URL('dist/esm/api/index.mjs', manifest).href;
  const register = `data:text/javascript,import { register } from ${JSON.stringify(loader)}; register();`;
  return { url: new URL(`${name}.ts`, importerUrl), execArgv: ['--import', register] };
}
