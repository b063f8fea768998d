/** One stream of the database as text, in the columns of `circumplex analyze`. */
import type { FrameEstimate, StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import { createRowWriter, type OutputFormat } from './row-writer.ts';

/** Where the frames come from; the store is one. */
export interface ExportSource {
  /** At most `limit` frames after a sequence, in order. */
  framesAfter(streamId: string, sequence: number, limit: number): Promise<readonly FrameEstimate[]>;
  progress(streamId: string): Promise<{ readonly lastSequence: number | null }>;
}

/**
 * With two faces a frame some 40 KB of text, which is all that is in memory at once. A face costs our thread about 30 us,
 * so that a page holds others up for a few milliseconds.
 */
const PAGE_FRAMES = 100;
/** Before the first of all frames. */
const BEGINNING = -1;

/**
 * Yields the heading, if the format has one, and then the rows of a page of frames at a time; reads the next page at the
 * next pull. Gives what was stored when it began, so that it ends for a stream that runs; the column `file` holds the
 * stream's name. Errors: NOT_FOUND when the stream is erased meanwhile, STORE_FAILED.
 */
export async function* exportRows(
  { id, name }: Pick<StreamRecord, 'id' | 'name'>,
  { source, format }: { readonly source: ExportSource; readonly format: OutputFormat },
): AsyncGenerator<string, void, undefined> {
  const writer = createRowWriter(format);
  const end = (await source.progress(id)).lastSequence ?? BEGINNING;
  const first = await firstSequence(source, id);
  if (writer.heading !== '') yield writer.heading;
  for (let reached = BEGINNING; reached < end; ) {
    const page = await source.framesAfter(id, reached, PAGE_FRAMES);
    const wanted = page.filter(({ sequence }) => sequence <= end);
    if (wanted.length === 0) break;
    reached = wanted.at(-1)!.sequence;
    yield wanted.map((frame) => writer.rows(name, frame)).join('');
  }
  // Frames are erased from the first one on, so whatever was missing by now, the first one is.
  if ((await firstSequence(source, id)) !== first) {
    throw new AppError('NOT_FOUND', 'The stream was erased while it was exported; what has come is not all of it.');
  }
}

async function firstSequence(source: ExportSource, id: string): Promise<number | null> {
  const [first] = await source.framesAfter(id, BEGINNING, 1);
  return first?.sequence ?? null;
}
