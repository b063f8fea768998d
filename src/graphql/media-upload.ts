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
  // What is left of the body is not read, so the connection cannot serve another request.
  response.setHeader('connection', 'close');
  const { code, message, retryAfterSeconds } = error;
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  if (retryAfterSeconds !== null) response.setHeader('retry-after', String(retryAfterSeconds));
  const wait = retryAfterSeconds === null ? {} : { retryAfterSeconds };
  answer(response, status, { error: { code, message, retryable, ...wait } });
  response.once('finish', () => {
    request.unpipe();
    request.resume();
    setTimeout(() => request.destroy(), LINGER_MS).unref();
  });
}

/** A client that is still sending gets so long to read the answer before the connection is cut. */
const LINGER_MS = 1000;

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify(body)}\n`);
}
