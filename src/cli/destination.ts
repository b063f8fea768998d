/** Where the rows of `circumplex analyze` go, as the command line says it. */
import { AppError } from '../errors.ts';

/** What becomes of outputs that are there already: told as an error, kept where they are finished, or written anew. */
export type Existing = 'REFUSE' | 'RESUME' | 'OVERWRITE';

export type Destination =
  | { readonly kind: 'STDOUT' }
  | { readonly kind: 'FILE'; readonly path: string; readonly existing: Exclude<Existing, 'RESUME'> }
  /** One file for each input. */
  | { readonly kind: 'FOLDER'; readonly path: string; readonly existing: Existing };

export interface DestinationOptions {
  readonly output: string | null;
  readonly outputDir: string | null;
  readonly resume: boolean;
  readonly overwrite: boolean;
}

/** Errors: BAD_INPUT for options that contradict each other or have nothing to act on. */
export function destinationOf({ output, outputDir, resume, overwrite }: DestinationOptions): Destination {
  if (output !== null && outputDir !== null) throw refused('Give --output or --output-dir, not both.');
  if (resume && overwrite) throw refused('Give --resume or --overwrite, not both: --resume writes anew what differs.');
  if (output === '' || outputDir === '') throw refused('--output and --output-dir need a name.');
  if (outputDir !== null) {
    return { kind: 'FOLDER', path: outputDir, existing: resume ? 'RESUME' : overwrite ? 'OVERWRITE' : 'REFUSE' };
  }
  if (resume) throw refused('--resume needs --output-dir, where each input has an output of its own.');
  if (output !== null) return { kind: 'FILE', path: output, existing: overwrite ? 'OVERWRITE' : 'REFUSE' };
  if (overwrite) throw refused('--overwrite needs --output or --output-dir.');
  return { kind: 'STDOUT' };
}

function refused(message: string): AppError {
  return new AppError('BAD_INPUT', `${message} See circumplex --help.`);
}
