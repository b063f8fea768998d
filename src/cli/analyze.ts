/** `circumplex analyze`: files in, rows out, one file after the other, whatever becomes of each. */
import type { Writable } from 'node:stream';
import type { Config } from '../config.ts';
import { type FileAnalysisOptions, ffmpegVersion } from '../pipeline/index.ts';
import type { AnalyzeArguments } from './arguments.ts';
import { filesOf, type NamedFiles } from './files-of.ts';
import { folderOutput } from './folder-output.ts';
import { oneOutput } from './one-output.ts';
import type { ErrorTerminal } from './progress-bar.ts';
import { makerOf } from './provenance.ts';
import { complaint } from './score-files.ts';

export interface AnalyzeParts {
  readonly config: Config;
  /** The program's, for the provenance of what it writes. */
  readonly version: string;
  /** Starts the networks; called once, and the result is disposed of at the end. */
  readonly openVision: (signal: AbortSignal) => Promise<FileAnalysisOptions['vision']>;
  readonly stdout: Writable;
  readonly stderr: ErrorTerminal;
  /** Fires when the user breaks off: what is finished is written, the rest is left. */
  readonly signal: AbortSignal;
}

/**
 * Resolves with the number of files and folders that failed, each of which has its line on standard error. A reader that goes away
 * ends the work without an error. Nothing that is there is touched before the networks run. Errors: BAD_INPUT,
 * ENGINE_UNAVAILABLE, INTERNAL (the output cannot be written), ABORTED.
 */
export async function runAnalyze(command: AnalyzeArguments, parts: AnalyzeParts): Promise<number> {
  const { destination, format, recursive, sampling } = command;
  const { config, version, signal, stdout, stderr } = parts;
  const named = await Promise.all(command.files.map((argument) => filesOf(argument, { recursive })));
  const inputs = named.flatMap(({ files }) => files);
  const write =
    destination.kind === 'FOLDER'
      ? await folderOutput(inputs, { destination, format })
      : await oneOutput(inputs, { destination, stdout });
  await using vision = await parts.openVision(signal);
  const maker = makerOf({ config, vision }, version);
  const failures = tellFolders(named, stderr);
  const options = { config, vision, sampling, signal };
  const run = { format, options, maker, ffmpegVersion: await ffmpegVersion(), stderr, failures };
  return failures + (await write(run));
}

/** What was not found or left out in folders; how many of them failed. */
function tellFolders(named: readonly NamedFiles[], stderr: ErrorTerminal): number {
  for (const { argument, leftOut, linksLeftOut, faults } of named) {
    if (leftOut > 0) stderr.write(`${argument}: left out, by their names no pictures or videos: ${leftOut}\n`);
    if (linksLeftOut > 0) stderr.write(`${argument}: left out, links to folders or out of it: ${linksLeftOut}\n`);
    for (const { place, error } of faults) stderr.write(complaint(place, error));
  }
  return named.flatMap(({ faults }) => faults).length;
}
