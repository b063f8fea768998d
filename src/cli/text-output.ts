/** Where the rows go: a stream with its back-pressure and its end. */
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { AppError } from '../errors.ts';

/** Rows are gathered to about this size before they are written: a system call per row would cost more than the row. */
const CHUNK_CHARACTERS = 16 * 1024;
/** Rows do not stay behind for longer than this while others come: someone may be watching. */
const MAX_AGE_MS = 500;

export interface TextOutput extends AsyncDisposable {
  /** Resolves when there is room for more. Errors: INTERNAL with the reason, e.g. a full disk. */
  write(text: string): Promise<void>;
  /** Resolves when everything has been handed to the system. Errors: like {@link TextOutput.write}. */
  flush(): Promise<void>;
  /** Fires when the reader has gone, as `| head` does; what is written from then on is dropped. */
  readonly readerGone: AbortSignal;
}

/**
 * Output to a file, which is made or emptied, or to `standard`, which stays open. Errors: BAD_INPUT when the file cannot
 * be written to.
 */
export async function openTextOutput(path: string | null, standard: Writable): Promise<TextOutput> {
  const stream = path === null ? standard : await openFile(path);
  const gone = new AbortController();
  let failure: Error | null = null;
  let pending = '';
  let flushedAtMs = performance.now();
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') gone.abort();
    else failure = new AppError('INTERNAL', `The output cannot be written: ${error.message}.`, { cause: error });
  };
  stream.on('error', onError);

  function send(text: string): Promise<void> {
    return new Promise((resolve) => {
      // The callback comes for a failed write as well; the error itself goes to the listener above.
      stream.write(text, () => resolve());
    });
  }

  async function flush(): Promise<void> {
    const text = pending;
    pending = '';
    flushedAtMs = performance.now();
    if (text !== '' && !gone.signal.aborted && failure === null) await send(text);
    if (failure !== null) throw failure;
  }

  return {
    readerGone: gone.signal,
    async write(text) {
      pending += text;
      if (pending.length >= CHUNK_CHARACTERS || performance.now() - flushedAtMs >= MAX_AGE_MS) await flush();
    },
    flush,
    async [Symbol.asyncDispose]() {
      try {
        await flush();
      } finally {
        // Standard output stays open: a reader that goes later must still not end the process with a stack trace.
        if (path !== null) {
          stream.end();
          await finished(stream).catch(() => undefined);
        }
      }
    },
  };
}

function openFile(path: string): Promise<Writable> {
  const stream = createWriteStream(path);
  return new Promise((resolve, reject) => {
    stream.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new AppError('BAD_INPUT', `The output file ${JSON.stringify(path)} cannot be written (${cause.code}).`, {
          cause,
        }),
      );
    });
    stream.once('open', () => {
      stream.removeAllListeners('error');
      resolve(stream);
    });
  });
}
