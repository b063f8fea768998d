/** The command line as a typed command; everything that is wrong with it is said here. */
import { parseArgs } from 'node:util';
import { describeSettings } from '../config.ts';
import { KEY_SCOPES, type KeyScope, type Sampling } from '../domain.ts';
import { AppError } from '../errors.ts';
import { asOutputFormat, OUTPUT_FORMATS, type OutputFormat } from '../rows/index.ts';
import { type Destination, destinationOf } from './destination.ts';

/** Settings given as flags, by the flag's name without its dashes. */
export type SettingFlags = Readonly<Record<string, string>>;

export interface AnalyzeArguments {
  readonly kind: 'analyze';
  readonly files: readonly string[];
  readonly format: OutputFormat;
  readonly sampling: Sampling;
  /** Whether a folder stands for what lies in folders in it too. */
  readonly recursive: boolean;
  readonly destination: Destination;
  readonly flags: SettingFlags;
}

export interface ExportArguments {
  readonly kind: 'export';
  readonly streamId: string;
  readonly format: OutputFormat;
  /** A file to write to; `null` writes to standard output. */
  readonly output: string | null;
  readonly flags: SettingFlags;
}

export type KeysArguments = { readonly kind: 'keys'; readonly flags: SettingFlags } & (
  | { readonly action: 'create'; readonly name: string; readonly scopes: readonly KeyScope[] }
  | { readonly action: 'list' }
  | { readonly action: 'revoke'; readonly id: string }
);

export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'serve'; readonly flags: SettingFlags }
  | AnalyzeArguments
  | ExportArguments
  | KeysArguments;

const OUTPUT_OPTIONS = {
  format: { type: 'string' },
  output: { type: 'string', short: 'o' },
} as const;

const ANALYZE_OPTIONS = {
  fps: { type: 'string' },
  'every-frame': { type: 'boolean' },
  recursive: { type: 'boolean' },
  'output-dir': { type: 'string' },
  resume: { type: 'boolean' },
  overwrite: { type: 'boolean' },
} as const;

const KEY_OPTIONS = { scopes: { type: 'string' } } as const;

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
  const { values, positionals } = parse([...argv], {
    ...settings,
    ...GENERAL_OPTIONS,
    ...OUTPUT_OPTIONS,
    ...ANALYZE_OPTIONS,
    ...KEY_OPTIONS,
  });
  const [name, ...files] = positionals;
  if (values.help === true || name === 'help') return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };

  const flags = Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[0] in settings),
  );
  switch (name) {
    case undefined:
      throw new AppError('BAD_INPUT', `Say what to do: ${USAGE}`);
    case 'serve':
      refuseOptions(name, values, { ...OUTPUT_OPTIONS, ...ANALYZE_OPTIONS, ...KEY_OPTIONS });
      if (files.length > 0) throw new AppError('BAD_INPUT', `"serve" takes no file names. ${HELP_HINT}`);
      return { kind: 'serve', flags };
    case 'export': {
      refuseOptions(name, values, { ...ANALYZE_OPTIONS, ...KEY_OPTIONS });
      const [streamId] = files;
      if (streamId === undefined || files.length > 1) {
        throw new AppError('BAD_INPUT', `"export" needs the id of one stream. ${HELP_HINT}`);
      }
      return {
        kind: 'export',
        streamId,
        format: outputFormat(values.format),
        output: outputPath(values.output),
        flags,
      };
    }
    case 'keys':
      refuseOptions(name, values, { ...OUTPUT_OPTIONS, ...ANALYZE_OPTIONS });
      return keysCommand(files, values.scopes, flags);
    case 'analyze':
      refuseOptions(name, values, KEY_OPTIONS);
      if (files.length === 0) throw new AppError('BAD_INPUT', `"analyze" needs at least one file. ${HELP_HINT}`);
      return {
        kind: 'analyze',
        files,
        format: outputFormat(values.format),
        sampling: sampling(values.fps, values['every-frame']),
        recursive: values.recursive === true,
        destination: destinationOf({
          output: outputPath(values.output),
          outputDir: outputPath(values['output-dir']),
          resume: values.resume === true,
          overwrite: values.overwrite === true,
        }),
        flags,
      };
    default:
      throw new AppError('BAD_INPUT', `There is no command ${JSON.stringify(name)}. ${HELP_HINT}`);
  }
}

const HELP_HINT = 'See circumplex --help.';
const USAGE = `circumplex serve, circumplex analyze FILE..., circumplex export ID, or circumplex keys. ${HELP_HINT}`;

const MAX_KEY_NAME_LENGTH = 100;

function keysCommand(words: readonly string[], scopes: Value, flags: SettingFlags): KeysArguments {
  const [action, word, ...more] = words;
  if (more.length > 0) throw new AppError('BAD_INPUT', `"keys ${action}" takes one word at most. ${HELP_HINT}`);
  if (action !== 'create' && scopes !== undefined) {
    throw new AppError('BAD_INPUT', `Only "keys create" takes --scopes. ${HELP_HINT}`);
  }
  if (action === 'create') {
    const name = word?.trim() ?? '';
    // Control characters would act on the terminal of whoever lists the keys.
    if (name === '' || name.length > MAX_KEY_NAME_LENGTH || /\p{C}/u.test(name)) {
      throw new AppError(
        'BAD_INPUT',
        `"keys create" needs a name of 1 to ${MAX_KEY_NAME_LENGTH} characters. ${HELP_HINT}`,
      );
    }
    return { kind: 'keys', action, name, scopes: keyScopes(scopes), flags };
  }
  if (action === 'list' && word === undefined) return { kind: 'keys', action, flags };
  if (action === 'revoke') {
    // Not repeated: it may be a whole key.
    if (word === undefined || !/^[0-9a-f]{12}$/.test(word)) {
      throw new AppError(
        'BAD_INPUT',
        `"keys revoke" needs an id as "keys list" shows it: 12 of 0-9 and a-f. ${HELP_HINT}`,
      );
    }
    return { kind: 'keys', action, id: word, flags };
  }
  throw new AppError('BAD_INPUT', `Say "keys create NAME", "keys list" or "keys revoke ID". ${HELP_HINT}`);
}

function keyScopes(value: Value): readonly KeyScope[] {
  const given = typeof value === 'string' ? value.split(',').map((scope) => scope.trim()) : [];
  const scopes = KEY_SCOPES.filter((scope) => given.includes(scope));
  if (scopes.length > 0 && scopes.length === given.length) return scopes;
  throw new AppError(
    'BAD_INPUT',
    `--scopes must be one or more of ${KEY_SCOPES.join(', ')}, with commas between them.`,
  );
}

function refuseOptions(command: string, values: Readonly<Record<string, Value>>, options: object): void {
  const foreign = Object.keys(options).find((option) => option in values);
  if (foreign !== undefined) throw new AppError('BAD_INPUT', `"${command}" takes no --${foreign}. ${HELP_HINT}`);
}

function outputPath(value: Value): string | null {
  return typeof value === 'string' ? value : null;
}

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
  const format = asOutputFormat(value ?? 'csv');
  if (format === null) {
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
