/** Which file of the output folder each input has. */
import { dirname, join } from 'node:path';
import { AppError } from '../errors.ts';
import type { OutputFormat } from '../rows/index.ts';
import type { InputFile } from './files-of.ts';
import { sidecarOf } from './provenance.ts';
import { partOf } from './whole-file.ts';

export interface PlannedOutput extends InputFile {
  /** Where its rows go. */
  readonly output: string;
}

export interface OutputFolder {
  readonly folder: string;
  readonly format: OutputFormat;
}

/**
 * `folder/name.format` for each input, in their order. Errors: BAD_INPUT when two inputs would give one file, or the file
 * of one would have to be a folder for the other.
 */
export function plannedOutputs(
  inputs: readonly InputFile[],
  { folder, format }: OutputFolder,
): readonly PlannedOutput[] {
  const planned = inputs.map((input) => ({ ...input, output: join(folder, `${input.name}.${format}`) }));
  const takenBy = new Map<string, PlannedOutput>();
  for (const one of planned) {
    const other = takenBy.get(one.output);
    if (other !== undefined) throw oneFor(other, one);
    for (const file of filesBeside(one.output)) takenBy.set(file, one);
  }
  for (const one of planned) {
    for (let place = dirname(one.output); place !== dirname(place); place = dirname(place)) {
      const other = takenBy.get(place);
      if (other !== undefined) throw oneFor(other, one);
    }
  }
  return planned;
}

/** Everything that writing an output makes or replaces. */
export function filesBeside(output: string): readonly string[] {
  const sidecar = sidecarOf(output);
  return [output, sidecar, partOf(output), partOf(sidecar)];
}

function oneFor(a: PlannedOutput, b: PlannedOutput): AppError {
  const [first, second] = [a, b].map(({ path }) => JSON.stringify(path));
  return new AppError(
    'BAD_INPUT',
    `${first} and ${second} would both be written to ${JSON.stringify(a.output)}: ` +
      'name each once, or give each a run and an --output-dir of its own.',
  );
}
