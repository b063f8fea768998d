/** Files to rows, one file after the other, and what became of each. */
import type { FrameEstimate } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { orderedMap } from '../flow/index.ts';
import { analyzeFile, type FileAnalysis, type FileAnalysisOptions } from '../pipeline/index.ts';
import type { RowWriter } from '../rows/index.ts';
import type { InputFile } from './files-of.ts';
import { type ErrorTerminal, showProgress } from './progress-bar.ts';
import { type InputIdentity, type InputReport, identityOf, shapingSettings } from './provenance.ts';
import type { Run } from './run.ts';

/** Pictures that are scored side by side; videos come one after the other, each with all workers to itself. */
const FILES_IN_FLIGHT = 4;

/** A file that is ready to give its rows, or that never will. */
export type ReadyFile<T extends InputFile> = {
  readonly input: T;
  readonly startedAt: Date;
  /** Before anything of it was read: a file that changes meanwhile is not what the rows are of. */
  readonly identity: InputIdentity | null;
} & (
  | { readonly kind: 'picture'; readonly frames: readonly FrameEstimate[] }
  | { readonly kind: 'video'; readonly analysis: FileAnalysis }
  | { readonly kind: 'failed'; readonly error: AppError }
);

/** Yields the files in their order, for one {@link pourRows} each; what is wrong with a file is in it. */
export async function* readyFiles<T extends InputFile>(
  inputs: readonly T[],
  options: FileAnalysisOptions,
): AsyncGenerator<ReadyFile<T>, void, undefined> {
  yield* orderedMap(eachOf(inputs), FILES_IN_FLIGHT, (input) => prepare(input, options));
}

async function* eachOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** Scores a picture; a video is only looked at, because its frames must not pile up while it waits for its turn. */
async function prepare<T extends InputFile>(input: T, options: FileAnalysisOptions): Promise<ReadyFile<T>> {
  const begun = { input, startedAt: new Date(), identity: await identityOf(input.path) };
  try {
    const analysis = await analyzeFile(input.path, options);
    if (analysis.media !== null) return { ...begun, kind: 'video', analysis };
    const frames: FrameEstimate[] = [];
    for await (const frame of analysis.frames) frames.push(frame);
    return { ...begun, kind: 'picture', frames };
  } catch (thrown) {
    return { ...begun, kind: 'failed', error: toAppError(thrown) };
  }
}

export interface Pouring {
  readonly write: (text: string) => Promise<void>;
  readonly writer: RowWriter;
  readonly run: Pick<Run, 'options' | 'stderr' | 'ffmpegVersion'>;
}

/**
 * Writes the rows of a file; what ended it early is told on standard error and in the report. Errors: those of `write`
 * alone, and ABORTED, after which the rows are not all.
 */
export async function pourRows(ready: ReadyFile<InputFile>, { write, writer, run }: Pouring): Promise<InputReport> {
  const { stderr, options } = run;
  const { signal } = options;
  signal.throwIfAborted();
  const file = ready.input.path;
  const counts = { frames: 0, faces: 0 };
  const error = await pour(ready, stderr, async (frame) => {
    await write(writer.rows(file, frame));
    counts.frames += 1;
    counts.faces += frame.faces.length;
  });
  signal.throwIfAborted();
  if (error !== null) stderr.write(complaint(file, error));
  const kind = ready.kind === 'failed' ? null : ready.kind;
  return {
    file,
    sizeBytes: ready.identity?.sizeBytes ?? null,
    modifiedAt: ready.identity?.modifiedAt ?? null,
    kind,
    settings: kind === null ? null : shapingSettings(kind, options.config, options.sampling),
    ffmpegVersion: kind === 'video' ? run.ffmpegVersion : null,
    ...counts,
    warnings: ready.kind === 'video' ? ready.analysis.warnings() : [],
    error: error === null ? null : { code: error.code, message: error.message },
  };
}

export function complaint(file: string, { code, message }: AppError): string {
  return `${file}: ${message} (${code})\n`;
}

type Write = (frame: FrameEstimate) => Promise<void>;

async function pour(ready: ReadyFile<InputFile>, stderr: ErrorTerminal, write: Write): Promise<AppError | null> {
  switch (ready.kind) {
    case 'failed':
      return ready.error;
    case 'picture':
      for (const frame of ready.frames) await write(frame);
      return null;
    case 'video': {
      const { media, frames, warnings } = ready.analysis;
      const label = ready.input.path;
      using bar = showProgress(stderr, { label, durationSeconds: media?.durationSeconds ?? null });
      const failure = await pourFrames(frames, async (frame) => {
        await write(frame);
        bar.update(frame.ptsSeconds - (media?.startSeconds ?? 0));
      });
      for (const { message, count } of warnings()) stderr.write(`${label}: ${message} (${count}x)\n`);
      return failure;
    }
  }
}

async function pourFrames(frames: FileAnalysis['frames'], write: Write): Promise<AppError | null> {
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
