/** `circumplex export`: one stream's rows out of the database, beside a running server or without one. */
import type { Writable } from 'node:stream';
import { AppError } from '../errors.ts';
import { exportRows } from '../rows/index.ts';
import type { Store } from '../store/index.ts';
import type { ExportArguments } from './arguments.ts';
import { openTextOutput } from './text-output.ts';

export interface ExportParts {
  readonly store: Pick<Store, 'stream' | 'framesAfter' | 'progress'>;
  readonly stdout: Writable;
  /** Fires when the user breaks off. */
  readonly signal: AbortSignal;
}

/**
 * Resolves when everything is written; a reader that goes away ends the work without an error. Errors: NOT_FOUND,
 * BAD_INPUT and INTERNAL (the output cannot be written), STORE_FAILED, ABORTED.
 */
export async function runExport(command: ExportArguments, { store, stdout, signal }: ExportParts): Promise<void> {
  const { streamId, format, output: path } = command;
  const stream = await store.stream(streamId);
  // Before the output is opened, so that a mistyped id empties no file.
  if (stream === null)
    throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(streamId)} in the database.`);
  await using output = await openTextOutput(path, stdout);
  for await (const text of exportRows(stream, { source: store, format })) {
    if (signal.aborted) throw new AppError('ABORTED', 'The export was ended before it was complete.');
    await output.write(text);
    if (output.readerGone.aborted) return;
  }
}
