/** Files that are there whole or not at all. */
import { open, rename, rm } from 'node:fs/promises';
import { notWritable, openFileOutput, outputFailed } from './text-output.ts';

/** Beside the place, so that the move is one step of one file system. */
export function partOf(path: string): string {
  return `${path}.part`;
}

export interface WholeFile extends AsyncDisposable {
  /** Errors: INTERNAL with the reason, e.g. a full disk. */
  write(text: string): Promise<void>;
  /** Moves what was written to its place, over what is there. The last call. Errors: like {@link WholeFile.write}. */
  finish(): Promise<void>;
}

/**
 * Writes to the `.part` of a path, also over one that a killed program left. Disposing of it without `finish` removes
 * that and touches nothing else. Errors: BAD_INPUT when it cannot be made.
 */
export async function openWholeFile(path: string): Promise<WholeFile> {
  const part = partOf(path);
  // What lies there may be a link, and is not ours to follow.
  await rm(part, { force: true }).catch((cause: unknown) => {
    throw notWritable(part, cause);
  });
  const output = await openFileOutput(part);
  let finished = false;
  return {
    write: (text) => output.write(text),
    async finish() {
      await output[Symbol.asyncDispose]();
      try {
        await sync(part);
        await rename(part, path);
      } catch (cause) {
        throw outputFailed(cause as Error);
      }
      finished = true;
    },
    async [Symbol.asyncDispose]() {
      if (finished) return;
      // What is left in memory goes with the file; closing it twice does nothing.
      await Promise.allSettled([output[Symbol.asyncDispose]()]);
      await rm(part, { force: true });
    },
  };
}

/** A power cut must not leave the name of a finished file over bytes that never reached the disk. */
async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.sync();
}
