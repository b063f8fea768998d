import type { AnalyzeParts } from './analyze.ts';
import type { AnalyzeArguments, ExportArguments, KeysArguments } from './arguments.ts';
import type { ExportParts } from './export.ts';
import type { KeysParts } from './keys.ts';

export type { AnalyzeParts } from './analyze.ts';
export {
  type AnalyzeArguments,
  type Command,
  type ExportArguments,
  type KeysArguments,
  parseCommand,
  type SettingFlags,
} from './arguments.ts';
export type { ExportParts } from './export.ts';
export { helpText } from './help.ts';

/** The contract of `runAnalyze` in analyze.ts, which is loaded here: what it needs would make `--help` wait for it. */
export async function runAnalyze(command: AnalyzeArguments, parts: AnalyzeParts): Promise<number> {
  const analyze = await import('./analyze.ts');
  return analyze.runAnalyze(command, parts);
}

/** The contract of `runExport` in export.ts, which is loaded here for the same reason. */
export async function runExport(command: ExportArguments, parts: ExportParts): Promise<void> {
  const { runExport: run } = await import('./export.ts');
  await run(command, parts);
}

/** The contract of `runKeys` in keys.ts, which is loaded here for the same reason. */
export async function runKeys(command: KeysArguments, parts: KeysParts): Promise<void> {
  const { runKeys: run } = await import('./keys.ts');
  await run(command, parts);
}
