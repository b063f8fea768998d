import type { AnalyzeParts } from './analyze.ts';
import type { AnalyzeArguments } from './arguments.ts';

export type { AnalyzeParts } from './analyze.ts';
export { type AnalyzeArguments, type Command, parseCommand, type SettingFlags } from './arguments.ts';
export { helpText } from './help.ts';

/** The contract of `runAnalyze` in analyze.ts, which is loaded here: what it needs would make `--help` wait for it. */
export async function runAnalyze(command: AnalyzeArguments, parts: AnalyzeParts): Promise<number> {
  const analyze = await import('./analyze.ts');
  return analyze.runAnalyze(command, parts);
}
