/** Writes one upload to one file, chunk by chunk, within its limits. */
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { AppError } from '../errors.ts';
import { aborted } from './media-process.ts';

export interface ReceivingLimits {
  readonly maxBytes: number;
  /** Longest wait for the next chunk. */
  readonly maxIdleMs: number;
}

export interface WriteUploadOptions extends ReceivingLimits {
  readonly contentLength?: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves with the number of bytes once they are on disk. Never waits for the source to end itself. Errors:
 * UPLOAD_TOO_LARGE, UPLOAD_INCOMPLETE, ABORTED, and those of the file system as they are.
 */
export async function writeUpload(
  source: AsyncIterable<Uint8Array>,
  path: string,
  options: WriteUploadOptions,
): Promise<number> {
  const { maxBytes, contentLength, signal } = options;
  if (signal.aborted) throw aborted(signal);
  if (contentLength !== undefined && contentLength > maxBytes) throw tooLarge(maxBytes);
  await using file = await open(path, 'wx', 0o600);
  // Destroying a request would cut the connection before its sender has been told what is wrong.
  const chunks =
    source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source[Symbol.asyncIterator]();
  let sizeBytes = 0;
  try {
    for (;;) {
      const chunk = await nextChunk(chunks, options);
      if (chunk === null) break;
      sizeBytes += chunk.byteLength;
      if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
      await writeAll(file, chunk);
    }
  } catch (thrown) {
    // Not awaited: a source that is stuck in next() would never come back from return() either.
    void Promise.resolve(chunks.return?.()).catch(() => {});
    throw thrown;
  }
  if (contentLength !== undefined && sizeBytes !== contentLength) {
    throw new AppError('UPLOAD_INCOMPLETE', `The upload has ${sizeBytes} bytes, not the ${contentLength} announced.`);
  }
  await file.sync();
  return sizeBytes;
}

/** The next chunk, or `null` after the last; whatever the source throws means that its sender went away. */
function nextChunk(
  chunks: AsyncIterator<Uint8Array>,
  { maxIdleMs, signal }: WriteUploadOptions,
): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) => {
    const abort = (): void => settle(() => reject(aborted(signal)));
    const timer = setTimeout(() => {
      settle(() => reject(incomplete(`its sender was silent for ${maxIdleMs / 1000} s`)));
    }, maxIdleMs);
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      how();
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) return abort();
    chunks.next().then(
      ({ done, value }) => settle(() => resolve(done === true ? null : value)),
      (cause: unknown) => settle(() => reject(incomplete('its sender went away', cause))),
    );
  });
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  for (let written = 0; written < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, written);
    written += bytesWritten;
  }
}

function tooLarge(maxBytes: number): AppError {
  return new AppError('UPLOAD_TOO_LARGE', `The upload has more than the ${maxBytes} bytes that are taken.`);
}

function incomplete(why: string, cause?: unknown): AppError {
  return new AppError('UPLOAD_INCOMPLETE', `The upload was not complete: ${why}. Send it again.`, { cause });
}
