export { type AnalyzeParts, runAnalyze } from './analyze.ts';
export { type AnalyzeArguments, type Command, parseCommand, type SettingFlags } from './arguments.ts';
export { helpText } from './help.ts';
