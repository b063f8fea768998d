/**
 * The process: reads the command line, runs what it says, turns signals into an orderly end. What the commands need is
 * loaded when it is known that they will run, so that a wrong setting is told at once.
 */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import {
  type AnalyzeArguments,
  type ExportArguments,
  helpText,
  type KeysArguments,
  parseCommand,
  runAnalyze,
  runExport,
  runKeys,
  type SettingFlags,
} from './cli/index.ts';
import { loadConfig } from './config.ts';
import { toAppError } from './errors.ts';
import { createLog } from './log.ts';
import { listenForEnd } from './process-end.ts';

/** Runs the command of `argv` (without runtime and script) and resolves with the exit code once all is over. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const command = parseCommand(argv);
    switch (command.kind) {
      case 'help':
        process.stdout.write(helpText());
        return 0;
      case 'version':
        process.stdout.write(`${packageVersion()}\n`);
        return 0;
      case 'serve':
        return await serve(command.flags);
      case 'analyze':
        return await analyze(command);
      case 'export':
        return await exportStream(command);
      case 'keys':
        return await keys(command);
    }
  } catch (thrown) {
    return reportFailure(thrown);
  }
}

/** Runs until a signal comes. An orderly end is success, whatever asked for it. */
async function serve(flags: SettingFlags): Promise<number> {
  const config = loadConfig({ environment: process.env, flags });
  const log = createLog({ level: config.logLevel });
  // Whatever is made from here on holds estimates of people: it is for the server's user alone.
  process.umask(0o077);
  using end = listenForEnd({
    limitSeconds: config.shutdownSeconds,
    onHardEnd: (reason) => log.error({ reason }, 'ended the hard way; unfinished videos go on at the next start'),
  });
  try {
    const { startServer } = await import('./start-server.ts');
    await using server = await startServer(config, { log, signal: end.signal });
    process.stdout.write(`circumplex is ready at ${server.url}\n`);
    await end.reached;
    log.info('stopping');
  } catch (thrown) {
    if (end.signal.aborted && toAppError(thrown).code === 'ABORTED') return end.exitCode;
    throw thrown;
  }
  log.info('stopped');
  return 0;
}

async function analyze(command: AnalyzeArguments): Promise<number> {
  const config = loadConfig({ environment: process.env, flags: command.flags });
  // People read standard error here, so the log stays silent unless somebody asks for it.
  const asked = command.flags['log-level'] !== undefined || Boolean(process.env.LOG_LEVEL);
  const log = createLog({ level: asked ? config.logLevel : 'silent' });
  using end = listenForEnd({ limitSeconds: config.shutdownSeconds, onHardEnd: () => undefined });
  try {
    const { openVision } = await import('./start-pipeline.ts');
    const failures = await runAnalyze(command, {
      config,
      version: packageVersion(),
      openVision: (signal) => openVision(config, { log, signal }),
      stdout: process.stdout,
      stderr: process.stderr,
      signal: end.signal,
    });
    return failures === 0 ? 0 : 1;
  } catch (thrown) {
    if (end.signal.aborted) return end.exitCode;
    throw thrown;
  }
}

async function exportStream(command: ExportArguments): Promise<number> {
  const { databaseUrl, shutdownSeconds } = loadConfig({ environment: process.env, flags: command.flags });
  using end = listenForEnd({ limitSeconds: shutdownSeconds, onHardEnd: () => undefined });
  try {
    const { openStore } = await import('./store/index.ts');
    await using store = await openStore({ databaseUrl, readOnly: true });
    await runExport(command, { store, stdout: process.stdout, signal: end.signal });
    return 0;
  } catch (thrown) {
    if (end.signal.aborted) return end.exitCode;
    throw thrown;
  }
}

async function keys(command: KeysArguments): Promise<number> {
  const config = loadConfig({ environment: process.env, flags: command.flags });
  process.umask(0o077);
  const { openStore } = await import('./store/index.ts');
  // The first key comes before the first start of a server that others can reach, so it may make the database.
  const isFirst = command.action === 'create';
  if (isFirst) await mkdir(config.dataDir, { recursive: true, mode: 0o700 }).catch(() => undefined);
  const { databaseUrl } = config;
  const readOnly = command.action === 'list';
  await using store = await openStore({ databaseUrl, mustExist: !isFirst, readOnly });
  await runKeys(command, { config, store, stdout: process.stdout, stderr: process.stderr });
  return 0;
}

/** One line on standard error, without a stack: what went wrong and what to do stands in the message. */
function reportFailure(thrown: unknown): number {
  // The program itself is not complete: whoever started it says what to do.
  if ((thrown as { readonly code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND') throw thrown;
  const error = toAppError(thrown);
  process.stderr.write(`circumplex: ${error.message} (${error.code})\n`);
  // What nobody foresaw needs its origin, or the line would help nobody.
  const told = error.cause instanceof Error && error.message.includes(error.cause.message);
  if (error.code === 'INTERNAL' && !told) console.error(error.cause ?? thrown);
  return 1;
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
