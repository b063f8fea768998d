import { stat } from 'node:fs/promises';
import { AppError } from '../errors.ts';
import type { InputFile } from './files-of.ts';

/**
 * Refuses to write over what is to be read, also by another name of it. Errors: BAD_INPUT.
 */
export async function refuseOverwriting(outputs: readonly string[], inputs: readonly InputFile[]): Promise<void> {
  const read = new Map<string, string>();
  for (const { path } of inputs) {
    const place = await placeOf(path);
    if (place !== null) read.set(place, path);
  }
  for (const output of outputs) {
    const place = await placeOf(output);
    const input = place === null ? undefined : read.get(place);
    if (input === undefined) continue;
    throw new AppError('BAD_INPUT', `The output would overwrite ${JSON.stringify(input)}, which is to be read.`);
  }
}

/** The same for all names of one file; `null` for what is no file. */
async function placeOf(path: string): Promise<string | null> {
  const stats = await stat(path, { bigint: true }).catch(() => null);
  return stats?.isFile() ? `${stats.dev}:${stats.ino}` : null;
}
