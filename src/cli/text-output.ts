/** Where the rows go: a stream with its back-pressure and its end. */
import { fstatSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Writable } from 'node:stream';
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

/** Writes all of a text, or fails. */
interface Sink extends AsyncDisposable {
  write(text: string): Promise<void>;
}

/**
 * Output to a file, which is made or emptied, or to `standard`, which stays open. Errors: BAD_INPUT when the file cannot
 * be written to. Disposing of it writes what is left; errors of that: INTERNAL, unless a writer has been told already.
 */
export async function openTextOutput(path: string | null, standard: Writable): Promise<TextOutput> {
  const sink = path === null ? standardSink(standard) : await openFile(path);
  const gone = new AbortController();
  let failure: AppError | null = null;
  let pending = '';
  let flushedAtMs = performance.now();

  async function flush(): Promise<void> {
    const text = pending;
    pending = '';
    flushedAtMs = performance.now();
    if (text === '' || gone.signal.aborted) return;
    if (failure !== null) throw failure;
    try {
      await sink.write(text);
    } catch (thrown) {
      const error = thrown as NodeJS.ErrnoException;
      if (error.code === 'EPIPE') return gone.abort();
      failure = new AppError('INTERNAL', `The output cannot be written: ${error.message}.`, { cause: error });
      throw failure;
    }
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
        if (failure === null) await flush();
      } finally {
        await sink[Symbol.asyncDispose]();
      }
    },
  };
}

async function openFile(path: string): Promise<Sink> {
  try {
    const file = await open(path, 'w');
    return {
      write: (text) => file.appendFile(text),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AppError('BAD_INPUT', `The output file ${JSON.stringify(path)} cannot be written (${code}).`, { cause });
  }
}

/** Standard output stays open: a reader that goes later must still not end the process with a stack trace. */
function standardSink(stream: Writable): Sink {
  const staysOpen = async (): Promise<void> => undefined;
  const descriptor = (stream as { readonly fd?: unknown }).fd;
  if (typeof descriptor === 'number' && fstatSync(descriptor).isFile()) {
    // Node takes a short write to a file, as on a disk that has just become full, for a whole one.
    return {
      async write(text) {
        const bytes = Buffer.from(text);
        for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
      },
      [Symbol.asyncDispose]: staysOpen,
    };
  }
  // The callback of a write has its error too.
  stream.on('error', () => undefined);
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => (error == null ? resolve() : reject(error)));
      }),
    [Symbol.asyncDispose]: staysOpen,
  };
}
