/** Where the rows go: a stream with its back-pressure and its end. */
import { constants, fstatSync, writeSync } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
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
  /** Whether it is a file that was named, no pipe, no device and not standard output. */
  readonly isFile: boolean;
}

export interface TextOutputOptions {
  /** Whether a file with something in it is emptied; it is refused otherwise. Default true. */
  readonly overwrite?: boolean;
}

/** Writes all of a text, or fails. */
interface Sink extends AsyncDisposable {
  readonly isFile: boolean;
  write(text: string): Promise<void>;
}

/**
 * Output to a file, which is made or emptied, or to `standard`, which stays open. Errors: BAD_INPUT when the file cannot
 * be written to, or must not be emptied. Disposing of it writes what is left; errors of that: INTERNAL, unless a writer
 * has been told already.
 */
export async function openTextOutput(
  path: string | null,
  standard: Writable,
  options: TextOutputOptions = {},
): Promise<TextOutput> {
  return gathered(path === null ? standardSink(standard) : await openFile(path, options));
}

/** The same to a file alone. */
export async function openFileOutput(path: string, options: TextOutputOptions = {}): Promise<TextOutput> {
  return gathered(await openFile(path, options));
}

/**
 * Looks before hours of work whether {@link openTextOutput} would open a file, and touches nothing. Resolves with whether
 * it is or would be a file, and no pipe or device. Errors: BAD_INPUT.
 */
export async function checkFileOutput(path: string, { overwrite = true }: TextOutputOptions = {}): Promise<boolean> {
  const place = await stat(path).catch(() => null);
  if (place?.isDirectory()) {
    throw new AppError('BAD_INPUT', `${JSON.stringify(path)} is a folder; --output-dir writes into folders.`);
  }
  const isFile = place === null || place.isFile();
  if (isFile && !overwrite && (place?.size ?? 0) > 0) throw occupied(path);
  await access(place === null ? dirname(path) : path, constants.W_OK).catch((cause: unknown) => {
    throw notWritable(path, cause);
  });
  return isFile;
}

/** Whether the path is another name of what `standard` writes to, as /dev/stdout is. */
export async function isStandard(path: string, standard: Writable): Promise<boolean> {
  const { fd } = standard as { readonly fd?: unknown };
  const place = await stat(path).catch(() => null);
  if (typeof fd !== 'number' || place === null) return false;
  const own = fstatSync(fd);
  return own.ino === place.ino && own.dev === place.dev;
}

function gathered(sink: Sink): TextOutput {
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
      failure = outputFailed(error);
      throw failure;
    }
  }

  return {
    readerGone: gone.signal,
    isFile: sink.isFile,
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

async function openFile(path: string, { overwrite = true }: TextOutputOptions): Promise<Sink> {
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT, 0o666);
    try {
      const place = await file.stat();
      if (place.isFile() && place.size > 0) {
        // Looked at after it was opened: another program may have filled it meanwhile.
        if (!overwrite) throw occupied(path);
        await file.truncate();
      }
      return {
        isFile: place.isFile(),
        write: (text) => file.appendFile(text),
        [Symbol.asyncDispose]: () => file.close(),
      };
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  } catch (cause) {
    throw cause instanceof AppError ? cause : notWritable(path, cause);
  }
}

/** For an output that was opened and then failed. */
export function outputFailed(cause: Error): AppError {
  return new AppError('INTERNAL', `The output cannot be written: ${cause.message}.`, { cause });
}

/** For an output that cannot be opened. */
export function notWritable(path: string, cause: unknown): AppError {
  const { code } = cause as NodeJS.ErrnoException;
  return new AppError('BAD_INPUT', `The output ${JSON.stringify(path)} cannot be written (${code}).`, { cause });
}

function occupied(path: string): AppError {
  return new AppError(
    'BAD_INPUT',
    `${JSON.stringify(path)} is there already and not empty; --overwrite writes it anew, another --output leaves it.`,
  );
}

/** Standard output stays open: a reader that goes later must still not end the process with a stack trace. */
function standardSink(stream: Writable): Sink {
  const staysOpen = async (): Promise<void> => undefined;
  const descriptor = (stream as { readonly fd?: unknown }).fd;
  if (typeof descriptor === 'number' && fstatSync(descriptor).isFile()) {
    // Node takes a short write to a file, as on a disk that has just become full, for a whole one.
    return {
      isFile: false,
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
    isFile: false,
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => (error == null ? resolve() : reject(error)));
      }),
    [Symbol.asyncDispose]: staysOpen,
  };
}
