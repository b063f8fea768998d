/** All rows of a run into one file, or to standard output. */
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { createRowWriter } from '../rows/index.ts';
import type { Destination } from './destination.ts';
import type { InputFile } from './files-of.ts';
import { refuseOverwriting } from './overwriting.ts';
import { type InputReport, sidecarOf, writeSidecar } from './provenance.ts';
import type { Run } from './run.ts';
import { pourRows, readyFiles } from './score-files.ts';
import { checkFileOutput, isStandard, openTextOutput, type TextOutput } from './text-output.ts';

export type OneDestination = Exclude<Destination, { readonly kind: 'FOLDER' }>;

interface Place {
  /** `null` is standard output. */
  readonly path: string | null;
  readonly overwrite: boolean;
}

/**
 * Looks whether the rows can be written, and resolves with what writes them and tells how many files failed. Nothing is
 * touched before that is called. Errors: BAD_INPUT; of the writing BAD_INPUT, INTERNAL and ABORTED.
 */
export async function oneOutput(
  inputs: readonly InputFile[],
  { destination, stdout }: { readonly destination: OneDestination; readonly stdout: Writable },
): Promise<(run: Run) => Promise<number>> {
  const place = await placeOf(destination, stdout);
  if (place.path !== null) {
    const { path, overwrite } = place;
    await refuseOverwriting([path, sidecarOf(path)], inputs);
    if (await checkFileOutput(path, { overwrite })) await checkFileOutput(sidecarOf(path), { overwrite });
  }
  return (run) => write(inputs, { place, stdout, run });
}

/** A name of standard output means that: what was written to it before stays. */
async function placeOf(destination: OneDestination, stdout: Writable): Promise<Place> {
  if (destination.kind === 'STDOUT' || (await isStandard(destination.path, stdout))) {
    return { path: null, overwrite: false };
  }
  return { path: destination.path, overwrite: destination.existing === 'OVERWRITE' };
}

interface Writing {
  readonly place: Place;
  readonly stdout: Writable;
  readonly run: Run;
}

async function write(inputs: readonly InputFile[], { place, stdout, run }: Writing): Promise<number> {
  const { path, overwrite } = place;
  const startedAt = new Date();
  await using output = await openTextOutput(path, stdout, { overwrite });
  const sidecar = path !== null && output.isFile ? path : null;
  // What it says is of the rows that have just gone.
  if (sidecar !== null) await rm(sidecarOf(sidecar), { force: true });
  const signal = AbortSignal.any([run.options.signal, output.readerGone]);
  try {
    const reports = await pourAll(inputs, output, { ...run, options: { ...run.options, signal } });
    await output.flush();
    if (sidecar !== null) {
      const { maker, format } = run;
      await writeSidecar(sidecar, { ...maker, format, startedAt, endedAt: new Date(), inputs: reports });
    }
    return reports.filter(({ error }) => error !== null).length;
  } catch (thrown) {
    if (output.readerGone.aborted) return 0;
    throw thrown;
  }
}

async function pourAll(inputs: readonly InputFile[], output: TextOutput, run: Run): Promise<readonly InputReport[]> {
  const writer = createRowWriter(run.format);
  await output.write(writer.heading);
  const reports: InputReport[] = [];
  for await (const ready of readyFiles(inputs, run.options)) {
    reports.push(await pourRows(ready, { write: (text) => output.write(text), writer, run }));
  }
  return reports;
}
