/** The rows of each input into a file of its own. */
import { constants } from 'node:fs';
import { access, mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError } from '../errors.ts';
import { createRowWriter, type OutputFormat } from '../rows/index.ts';
import type { Destination } from './destination.ts';
import type { InputFile } from './files-of.ts';
import { refuseOverwriting } from './overwriting.ts';
import { filesBeside, type PlannedOutput, plannedOutputs } from './planned-outputs.ts';
import { isFinished, sidecarOf, writeSidecar } from './provenance.ts';
import type { Run } from './run.ts';
import { complaint, pourRows, type ReadyFile, readyFiles } from './score-files.ts';
import { notWritable } from './text-output.ts';
import { openWholeFile, type WholeFile } from './whole-file.ts';

export type FolderDestination = Extract<Destination, { readonly kind: 'FOLDER' }>;

/**
 * Looks whether each input can have its output, and resolves with what writes them and tells how many files failed. Of
 * the files there nothing is touched before that is called. Errors: BAD_INPUT; of the writing INTERNAL (a full disk) and
 * ABORTED: what is finished by then stays.
 */
export async function folderOutput(
  inputs: readonly InputFile[],
  { destination, format }: { readonly destination: FolderDestination; readonly format: OutputFormat },
): Promise<(run: Run) => Promise<number>> {
  const { path: folder, existing } = destination;
  const planned = plannedOutputs(inputs, { folder, format });
  const touched = planned.flatMap(({ output }) => filesBeside(output));
  await refuseOverwriting(touched, inputs);
  if (existing === 'REFUSE') await refuseExisting(planned.flatMap(({ output }) => [output, sidecarOf(output)]));
  await mkdir(folder, { recursive: true })
    .then(() => access(folder, constants.W_OK))
    .catch((cause: unknown) => {
      throw notWritable(folder, cause);
    });
  return (run) => writeAll(planned, existing === 'RESUME', run);
}

async function refuseExisting(outputs: readonly string[]): Promise<void> {
  const there: string[] = [];
  for (const output of outputs) {
    const place = await stat(output).catch(() => null);
    if (place !== null && place.size > 0) there.push(output);
  }
  const [first] = there;
  if (first === undefined) return;
  throw new AppError(
    'BAD_INPUT',
    `${JSON.stringify(first)} is there already${there.length > 1 ? `, and ${there.length - 1} more` : ''}; ` +
      '--resume keeps what is finished, --overwrite writes all anew.',
  );
}

async function writeAll(planned: readonly PlannedOutput[], resume: boolean, run: Run): Promise<number> {
  const { options, maker, stderr } = run;
  const wanted = { maker, config: options.config, sampling: options.sampling };
  const left: PlannedOutput[] = [];
  for (const one of planned) {
    if (!resume || !(await isFinished(one, wanted))) left.push(one);
  }
  let failed = 0;
  for await (const ready of readyFiles(left, options)) {
    if (!(await writeOne(ready, run))) failed += 1;
  }
  const [done, skipped] = [left.length - failed, planned.length - left.length];
  stderr.write(`done: ${done}, skipped: ${skipped}, failed: ${run.failures + failed}\n`);
  return failed;
}

/** Whether it is written. Its sidecar goes before its rows and comes after them: it never stands beside others'. */
async function writeOne(ready: ReadyFile<PlannedOutput>, run: Run): Promise<boolean> {
  const { output } = ready.input;
  const { maker, format, options, stderr } = run;
  const writer = createRowWriter(format);
  const file = await openBelow(output).catch((thrown: unknown) => {
    if (!(thrown instanceof AppError)) throw thrown;
    return thrown;
  });
  if (file instanceof AppError) {
    stderr.write(complaint(ready.input.path, file));
    return false;
  }
  await using rows = file;
  await rows.write(writer.heading);
  const report = await pourRows(ready, { write: (text) => rows.write(text), writer, run });
  if (report.error !== null) return false;
  // Ctrl-C in a terminal ends ffmpeg too, and its end may be heard of before ours.
  options.signal.throwIfAborted();
  await rm(sidecarOf(output), { force: true });
  await rows.finish();
  const { startedAt } = ready;
  await writeSidecar(output, { ...maker, format, startedAt, endedAt: new Date(), inputs: [report] });
  return true;
}

/** Errors: BAD_INPUT, for this output alone: its name is too long, or its folder belongs to somebody else. */
async function openBelow(output: string): Promise<WholeFile> {
  await mkdir(dirname(output), { recursive: true }).catch((cause: unknown) => {
    throw notWritable(output, cause);
  });
  return openWholeFile(output);
}
