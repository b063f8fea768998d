import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError, ERROR_KINDS, toAppError } from '../errors.ts';
import type { Context } from './context.ts';
import type { Reporting } from './errors.ts';

/** `PUT /media`: the body is the file, streamed to disk as it comes. 201 with `{ "id", "sizeBytes" }`. */
export async function receiveMedia(
  request: IncomingMessage,
  response: ServerResponse,
  { pipeline, log, traffic, caller }: Reporting & Pick<Context, 'pipeline' | 'caller'>,
): Promise<void> {
  traffic.came('upload');
  try {
    if (request.method !== 'PUT') {
      response.setHeader('allow', 'PUT');
      throw new AppError('BAD_INPUT', 'Send the file as the body of PUT /media.');
    }
    caller.demand('write');
    const { 'content-length': announced } = request.headers;
    const receipt = await pipeline.receiveUpload(
      request,
      announced === undefined ? {} : { contentLength: Number(announced) },
    );
    answer(response, 201, receipt);
  } catch (thrown) {
    refuse(request, response, { thrown, log, traffic });
  }
}

/** An error as JSON `{ "error": { code, message, retryable, retryAfterSeconds? } }`; ends a body that is still under way. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { thrown, log, traffic }: Reporting & { readonly thrown: unknown },
): void {
  const error = toAppError(thrown);
  const { status, retryable } = ERROR_KINDS[error.code];
  traffic.refused(error.code);
  if (status >= 500) log.error({ err: thrown }, 'a request failed');
  if (response.headersSent || response.destroyed) {
    request.destroy();
    return;
  }
  const { code, message, retryAfterSeconds } = error;
  // Of a body that is too large, nobody needs to send the rest.
  if (code === 'UPLOAD_TOO_LARGE') response.setHeader('connection', 'close');
  if (code === 'UNAUTHENTICATED') response.setHeader('www-authenticate', 'Bearer');
  if (retryAfterSeconds !== null) response.setHeader('retry-after', String(retryAfterSeconds));
  const wait = retryAfterSeconds === null ? {} : { retryAfterSeconds };
  answer(response, status, { error: { code, message, retryable, ...wait } });
  // Read on and thrown away: a connection that is closed with bytes unread takes the answer with it.
  response.once('finish', () => {
    if (request.complete) return;
    request.unpipe();
    request.resume();
    const cut = setTimeout(() => request.destroy(), LINGER_MS).unref();
    request.once('close', () => clearTimeout(cut));
  });
}

/** A client that is still sending gets so long to read the answer before the connection is cut. */
const LINGER_MS = 1000;

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify(body)}\n`);
}
