/** `GET /streams/ID/export`: everything that is stored of a stream, as rows of text. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../errors.ts';
import { joinSignals } from '../flow/index.ts';
import { asOutputFormat, exportRows, OUTPUT_FORMATS, type OutputFormat } from '../rows/index.ts';
import type { Context } from './context.ts';
import { checkReading } from './probes.ts';

const PATH = /^\/streams\/([^/]+)\/export$/;
const TYPES: Readonly<Record<OutputFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  jsonl: 'application/x-ndjson; charset=utf-8',
};
/** Each holds a page of frames and its text, some hundred kilobytes, and takes its turns at the database. */
const MAX_AT_ONCE = 8;
/** A reader that takes nothing for so long is cut off. */
const IDLE_MS = 60_000;

/** The id in the path of an export; null for any other path. */
export function exportedStreamId(path: string): string | null {
  const [, id] = PATH.exec(path) ?? [];
  try {
    return id === undefined ? null : decodeURIComponent(id);
  } catch {
    return null;
  }
}

/**
 * Answers with the rows; the next page is read when the reader has taken the last. What fails after the first rows cuts
 * the connection, so that no reader takes a part for the whole. Errors, before that: FORBIDDEN, NOT_FOUND, BAD_INPUT,
 * OVERLOADED, LIMIT_EXCEEDED, STORE_FAILED.
 */
export async function sendExport(
  request: IncomingMessage,
  response: ServerResponse,
  {
    store,
    traffic,
    closing,
    caller,
    streamId,
  }: Pick<Context, 'store' | 'traffic' | 'closing' | 'caller'> & { readonly streamId: string },
): Promise<void> {
  checkReading(request, response);
  caller.demand('read');
  const format = formatOf(request);
  if (traffic.statistics().exportsInFlight >= MAX_AT_ONCE) {
    throw new AppError('OVERLOADED', `${MAX_AT_ONCE} exports are under way already; try again when one has ended.`);
  }
  using _ofKey = caller.usage.exporting();
  using _place = traffic.exporting();
  // From here on, so that a reader who leaves during the first look at the database is not waited for.
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const stream = await store.stream(streamId);
  if (stream === null) throw new AppError('NOT_FOUND', `There is no stream ${JSON.stringify(streamId)}.`);
  const rows = exportRows(stream, { source: store.sourceOf(stream), format });
  // Read before anything is sent, so that a database that fails is told as such.
  const first = await rows.next();
  response.writeHead(200, {
    'content-type': TYPES[format],
    'content-disposition': `attachment; filename="${encodeURIComponent(stream.id)}.${format}"`,
    'cache-control': 'no-store',
  });
  if (request.method === 'HEAD') await rows.return();
  else await send(response, { first, rows, gone: gone.signal, closing });
  response.end();
}

interface Sending {
  readonly first: IteratorResult<string, void>;
  readonly rows: AsyncGenerator<string, void, undefined>;
  /** Fires when the reader goes away. */
  readonly gone: AbortSignal;
  readonly closing: AbortSignal;
}

/** Resolves early, without an error, when the reader has gone. Errors: those of `rows`, ABORTED. */
async function send(response: ServerResponse, { first, rows, gone, closing }: Sending): Promise<void> {
  response.setTimeout(IDLE_MS, () => response.destroy());
  using either = joinSignals([gone, closing]);
  const { signal } = either;
  try {
    for (let piece = first; piece.done !== true; piece = await rows.next()) {
      signal.throwIfAborted();
      if (!response.write(piece.value)) await once(response, 'drain', { signal });
    }
  } catch (thrown) {
    if (!gone.aborted) throw thrown;
  } finally {
    await rows.return();
  }
}

function formatOf({ url = '' }: IncomingMessage): OutputFormat {
  const given = new URLSearchParams(url.split('?')[1] ?? '').get('format') ?? 'csv';
  const format = asOutputFormat(given);
  if (format !== null) return format;
  throw new AppError(
    'BAD_INPUT',
    `format is ${JSON.stringify(given)}; it must be one of ${OUTPUT_FORMATS.join(', ')}.`,
  );
}
