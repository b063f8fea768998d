/** `circumplex analyze`: files in, rows out, one file after the other, whatever becomes of each. */
import { stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import type { Config } from '../config.ts';
import type { FrameEstimate } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { orderedMap } from '../flow/index.ts';
import { analyzeFile, type FileAnalysis, type FileAnalysisOptions } from '../pipeline/index.ts';
import { createRowWriter, type RowWriter } from '../rows/index.ts';
import type { AnalyzeArguments } from './arguments.ts';
import { filesOf } from './files-of.ts';
import { type ErrorTerminal, showProgress } from './progress-bar.ts';
import { openTextOutput, type TextOutput } from './text-output.ts';

export interface AnalyzeParts {
  readonly config: Config;
  /** Starts the networks; called once, and the result is disposed of at the end. */
  readonly openVision: (signal: AbortSignal) => Promise<FileAnalysisOptions['vision']>;
  readonly stdout: Writable;
  readonly stderr: ErrorTerminal;
  /** Fires when the user breaks off: what is finished is written, the rest is left. */
  readonly signal: AbortSignal;
}

/** Pictures that are scored side by side; videos come one after the other, each with all workers to itself. */
const FILES_IN_FLIGHT = 4;

type Prepared =
  | { readonly kind: 'picture'; readonly file: string; readonly frames: readonly FrameEstimate[] }
  | { readonly kind: 'video'; readonly file: string; readonly analysis: FileAnalysis }
  | { readonly kind: 'failed'; readonly file: string; readonly error: AppError };

/**
 * Resolves with the number of files and folders that failed, each of which has its line on standard error. A reader that goes away
 * ends the work without an error. Errors: BAD_INPUT, ENGINE_UNAVAILABLE, INTERNAL (the output cannot be written), ABORTED.
 */
export async function runAnalyze(command: AnalyzeArguments, parts: AnalyzeParts): Promise<number> {
  const { config, stderr } = parts;
  const named = await Promise.all(command.files.map(filesOf));
  const files = named.flatMap((each) => each.files);
  const clobbered = await fileThatIs(command.output, files);
  if (clobbered !== undefined) {
    throw new AppError('BAD_INPUT', `--output would overwrite ${JSON.stringify(clobbered)}, which is to be read.`);
  }
  await using output = await openTextOutput(command.output, parts.stdout);
  const signal = AbortSignal.any([parts.signal, output.readerGone]);
  try {
    await using vision = await parts.openVision(signal);
    const writer = createRowWriter(command.format);
    const options: FileAnalysisOptions = { config, vision, sampling: command.sampling, signal };
    await output.write(writer.heading);
    let failures = 0;
    for (const { argument, leftOut, error } of named) {
      if (leftOut > 0) stderr.write(`${argument}: left out, by their names no pictures or videos: ${leftOut}\n`);
      if (error === null) continue;
      failures += 1;
      stderr.write(complaint(argument, error));
    }
    for await (const prepared of orderedMap(eachOf(files), FILES_IN_FLIGHT, (file) => prepare(file, options))) {
      signal.throwIfAborted();
      const error = await writeFile(prepared, { output, writer, stderr });
      signal.throwIfAborted();
      if (error === null) continue;
      failures += 1;
      stderr.write(complaint(prepared.file, error));
    }
    return failures;
  } catch (thrown) {
    if (output.readerGone.aborted) return 0;
    throw thrown;
  }
}

/** One of `files` that `output` would overwrite, also by another name of it. */
async function fileThatIs(output: string | null, files: readonly string[]): Promise<string | undefined> {
  const place = output === null ? null : await stat(output).catch(() => null);
  if (place === null || !place.isFile()) return undefined;
  for (const file of files) {
    const other = await stat(file).catch(() => null);
    if (other?.ino === place.ino && other.dev === place.dev) return file;
  }
  return undefined;
}

function complaint(file: string, { code, message }: AppError): string {
  return `${file}: ${message} (${code})\n`;
}

async function* eachOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** Scores a picture; a video is only looked at, because its frames must not pile up while it waits for its turn. */
async function prepare(file: string, options: FileAnalysisOptions): Promise<Prepared> {
  try {
    const analysis = await analyzeFile(file, options);
    if (analysis.media !== null) return { kind: 'video', file, analysis };
    const frames: FrameEstimate[] = [];
    for await (const frame of analysis.frames) frames.push(frame);
    return { kind: 'picture', file, frames };
  } catch (thrown) {
    return { kind: 'failed', file, error: toAppError(thrown) };
  }
}

/** Writes the rows of a file and resolves with what ended it early, or `null`. Errors: those of the output alone. */
async function writeFile(
  prepared: Prepared,
  { output, writer, stderr }: { output: TextOutput; writer: RowWriter; stderr: ErrorTerminal },
): Promise<AppError | null> {
  const { kind, file } = prepared;
  switch (kind) {
    case 'failed':
      return prepared.error;
    case 'picture':
      for (const frame of prepared.frames) await output.write(writer.rows(file, frame));
      return null;
    case 'video': {
      const { media, frames, warnings } = prepared.analysis;
      using bar = showProgress(stderr, { label: file, durationSeconds: media?.durationSeconds ?? null });
      const failure = await writeFrames(frames, async (frame) => {
        await output.write(writer.rows(file, frame));
        bar.update(frame.ptsSeconds - (media?.startSeconds ?? 0));
      });
      for (const { message, count } of warnings()) stderr.write(`${file}: ${message} (${count}x)\n`);
      return failure;
    }
  }
}

async function writeFrames(
  frames: AsyncGenerator<FrameEstimate, void, undefined>,
  write: (frame: FrameEstimate) => Promise<void>,
): Promise<AppError | null> {
  try {
    for (;;) {
      const next = await frames.next().catch((thrown: unknown) => toAppError(thrown));
      if (next instanceof AppError) return next;
      if (next.done === true) return null;
      await write(next.value);
    }
  } finally {
    await frames.return();
  }
}
