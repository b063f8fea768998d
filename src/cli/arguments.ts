/** The command line as a typed command; everything that is wrong with it is said here. */
import { parseArgs } from 'node:util';
import { describeSettings } from '../config.ts';
import type { Sampling } from '../domain.ts';
import { AppError } from '../errors.ts';

export const OUTPUT_FORMATS = ['csv', 'jsonl'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Settings given as flags, by the flag's name without its dashes. */
export type SettingFlags = Readonly<Record<string, string>>;

export interface AnalyzeArguments {
  readonly kind: 'analyze';
  readonly files: readonly string[];
  readonly format: OutputFormat;
  readonly sampling: Sampling;
  /** A file to write to; `null` writes to standard output. */
  readonly output: string | null;
  readonly flags: SettingFlags;
}

export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'serve'; readonly flags: SettingFlags }
  | AnalyzeArguments;

const ANALYZE_OPTIONS = {
  format: { type: 'string' },
  fps: { type: 'string' },
  'every-frame': { type: 'boolean' },
  output: { type: 'string', short: 'o' },
} as const;

const GENERAL_OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

type Value = string | boolean | undefined;

/** `argv` without the runtime and the script. Errors: BAD_INPUT with what is wrong and what to do. */
export function parseCommand(argv: readonly string[]): Command {
  const settings = Object.fromEntries(
    describeSettings().map(({ flag }) => [flag.slice(2), { type: 'string' as const }] as const),
  );
  const { values, positionals } = parse([...argv], { ...settings, ...GENERAL_OPTIONS, ...ANALYZE_OPTIONS });
  const [name, ...files] = positionals;
  if (values.help === true || name === 'help') return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };

  const flags = Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[0] in settings),
  );
  switch (name) {
    case undefined:
      throw new AppError('BAD_INPUT', `Say what to do: ${USAGE}`);
    case 'serve': {
      const foreign = Object.keys(ANALYZE_OPTIONS).find((option) => option in values);
      if (foreign !== undefined) throw new AppError('BAD_INPUT', `"serve" takes no --${foreign}. ${HELP_HINT}`);
      if (files.length > 0) throw new AppError('BAD_INPUT', `"serve" takes no file names. ${HELP_HINT}`);
      return { kind: 'serve', flags };
    }
    case 'analyze':
      if (files.length === 0) throw new AppError('BAD_INPUT', `"analyze" needs at least one file. ${HELP_HINT}`);
      return {
        kind: 'analyze',
        files,
        format: outputFormat(values.format),
        sampling: sampling(values.fps, values['every-frame']),
        output: typeof values.output === 'string' ? values.output : null,
        flags,
      };
    default:
      throw new AppError('BAD_INPUT', `There is no command ${JSON.stringify(name)}. ${HELP_HINT}`);
  }
}

const HELP_HINT = 'See circumplex --help.';
const USAGE = `circumplex serve, or circumplex analyze FILE... ${HELP_HINT}`;

function parse(
  args: string[],
  options: Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string }>,
): { readonly values: Record<string, Value>; readonly positionals: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true });
    return { values: values as Record<string, Value>, positionals };
  } catch (cause) {
    // Node's own sentence names the flag; its second sentence explains "--" and would only lead away.
    const [sentence] = (cause as Error).message.split(/\. |\n/);
    throw new AppError('BAD_INPUT', `${sentence}. ${HELP_HINT}`, { cause });
  }
}

function outputFormat(value: Value): OutputFormat {
  const format = OUTPUT_FORMATS.find((one) => one === (value ?? 'csv'));
  if (format === undefined) {
    throw new AppError(
      'BAD_INPUT',
      `--format is ${JSON.stringify(value)}; it must be one of ${OUTPUT_FORMATS.join(', ')}.`,
    );
  }
  return format;
}

const MAX_FRAMES_PER_SECOND = 1000;

function sampling(rate: Value, everyFrame: Value): Sampling {
  if (everyFrame === true && rate !== undefined) {
    throw new AppError('BAD_INPUT', 'Give --fps or --every-frame, not both.');
  }
  // As over GraphQL: nothing is left out unless somebody asks for it.
  if (rate === undefined) return { kind: 'EVERY_FRAME' };
  const framesPerSecond = /^\d*\.?\d+$/.test(String(rate)) ? Number(rate) : Number.NaN;
  if (!(framesPerSecond > 0 && framesPerSecond <= MAX_FRAMES_PER_SECOND)) {
    throw new AppError(
      'BAD_INPUT',
      `--fps is ${JSON.stringify(rate)}; it must be a number above 0, at most ${MAX_FRAMES_PER_SECOND} (frames a second).`,
    );
  }
  return { kind: 'RATE', framesPerSecond };
}
