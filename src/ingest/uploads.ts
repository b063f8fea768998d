/** Files that clients send, on disk from their first byte until nobody needs them any more. */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, toAppError } from '../errors.ts';
import { joinSignals } from '../flow/index.ts';
import { type ReceivingLimits, writeUpload } from './receive-upload.ts';

export interface UploadsOptions {
  /** Made if it is missing. Nothing else may keep files in it. */
  readonly folder: string;
  /** Largest upload. */
  readonly maxBytes: number;
  /** After this time an upload that nothing uses is removed by {@link Uploads.sweep}. */
  readonly maxAgeSeconds: number;
  /** Uploads received at once; one more is refused with OVERLOADED. Default 16. */
  readonly maxInFlight?: number;
  /** A sender that is silent for so long is given up. Default 60. */
  readonly maxIdleSeconds?: number;
}

export interface ReceiveOptions {
  /** What the sender announced; the upload must have exactly as many bytes. */
  readonly contentLength?: number;
  readonly signal?: AbortSignal;
  /** The key that it belongs to, which then stands in its id. Default `null`: nobody's. */
  readonly ownerKeyId?: string | null;
}

/** Counters since the start, and what is under way. */
export interface UploadsStatistics {
  readonly inFlight: number;
  readonly received: number;
  /** Refused because too many were under way. */
  readonly refused: number;
  /** Begun and not completed, for whatever reason. */
  readonly failed: number;
}

export interface Uploads extends AsyncDisposable {
  /**
   * Streams bytes to disk and resolves when they are durable there. A source that is a Node stream is left open on an
   * error, so that an answer can still be sent; its owner ends it. Errors, none of which leaves a file behind:
   * UPLOAD_TOO_LARGE (by `contentLength` before anything is read), UPLOAD_INCOMPLETE, OVERLOADED (also when the disk is
   * full), ABORTED.
   */
  receive(
    source: AsyncIterable<Uint8Array>,
    options?: ReceiveOptions,
  ): Promise<{ readonly id: string; readonly sizeBytes: number }>;
  /** Where an upload lies, for reading alone. Errors: NOT_FOUND, also for what cannot be an id. */
  pathOf(id: string): Promise<string>;
  /** Whether there was one. Readers that have it open may read on. */
  remove(id: string): Promise<boolean>;
  /** Removes uploads older than the limit for which `inUse` is false; resolves with their number. */
  sweep(inUse: (id: string) => boolean): Promise<number>;
  statistics(): UploadsStatistics;
}

const DEFAULT_MAX_IN_FLIGHT = 16;
const DEFAULT_MAX_IDLE_SECONDS = 60;

/**
 * The only shape of a name that is ever joined to the folder: what `randomUUID` makes, 122 random bits, and the id of the
 * key that it belongs to. So whose an upload is outlives a restart, and needs no look at anything but its id.
 */
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.[0-9a-f]{12})?$/;
const PARTIAL_SUFFIX = '.part';

/** Opens the folder and removes what an earlier run left half received. One process at a time may have it open. */
export async function createUploads(options: UploadsOptions): Promise<Uploads> {
  const { folder } = options;
  // Pictures of people: for the server's user alone.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (name.endsWith(PARTIAL_SUFFIX)) await rm(join(folder, name), { force: true });
  }
  return new DiskUploads(options);
}

class DiskUploads implements Uploads {
  readonly #options: UploadsOptions;
  readonly #limits: ReceivingLimits;
  readonly #closing = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  #received = 0;
  #refused = 0;
  #failed = 0;

  constructor(options: UploadsOptions) {
    this.#options = options;
    const { maxBytes, maxIdleSeconds = DEFAULT_MAX_IDLE_SECONDS } = options;
    // One listener an upload under way, which takes it off when it ends.
    setMaxListeners(0, this.#closing.signal);
    this.#limits = { maxBytes, maxIdleMs: maxIdleSeconds * 1000 };
  }

  async receive(
    source: AsyncIterable<Uint8Array>,
    options: ReceiveOptions = {},
  ): Promise<{ readonly id: string; readonly sizeBytes: number }> {
    const { maxInFlight = DEFAULT_MAX_IN_FLIGHT } = this.#options;
    if (this.#underWay.size >= maxInFlight) {
      this.#refused += 1;
      throw new AppError('OVERLOADED', `${maxInFlight} uploads are under way already; try again in a moment.`);
    }
    const receiving = this.#receive(source, options);
    this.#underWay.add(receiving);
    try {
      const receipt = await receiving;
      this.#received += 1;
      return receipt;
    } catch (thrown) {
      this.#failed += 1;
      throw asUploadError(thrown);
    } finally {
      this.#underWay.delete(receiving);
    }
  }

  async #receive(
    source: AsyncIterable<Uint8Array>,
    { contentLength, signal, ownerKeyId = null }: ReceiveOptions,
  ): Promise<{ readonly id: string; readonly sizeBytes: number }> {
    const id = ownerKeyId === null ? randomUUID() : `${randomUUID()}.${ownerKeyId}`;
    const path = join(this.#options.folder, id);
    const partial = path + PARTIAL_SUFFIX;
    using ending = joinSignals(signal === undefined ? [this.#closing.signal] : [signal, this.#closing.signal]);
    try {
      const sizeBytes = await writeUpload(source, partial, {
        ...this.#limits,
        ...(contentLength === undefined ? {} : { contentLength }),
        signal: ending.signal,
      });
      if (sizeBytes === 0) throw new AppError('UPLOAD_INCOMPLETE', 'The upload is empty; send the bytes of the file.');
      await rename(partial, path);
      await syncFolder(this.#options.folder);
      return { id, sizeBytes };
    } catch (thrown) {
      await rm(partial, { force: true });
      throw thrown;
    }
  }

  async pathOf(id: string): Promise<string> {
    const path = ID.test(id) ? join(this.#options.folder, id) : null;
    const found = path !== null && (await exists(path));
    if (!found) throw new AppError('NOT_FOUND', 'There is no such upload; it may have been used or removed.');
    return path;
  }

  async remove(id: string): Promise<boolean> {
    if (!ID.test(id)) return false;
    const path = join(this.#options.folder, id);
    if (!(await exists(path))) return false;
    await rm(path, { force: true });
    return true;
  }

  async sweep(inUse: (id: string) => boolean): Promise<number> {
    const oldestMs = Date.now() - this.#options.maxAgeSeconds * 1000;
    let removed = 0;
    for (const name of await readdir(this.#options.folder)) {
      if (!ID.test(name) || inUse(name)) continue;
      const stats = await stat(join(this.#options.folder, name)).catch(() => null);
      if (stats !== null && stats.mtimeMs < oldestMs && (await this.remove(name))) removed += 1;
    }
    return removed;
  }

  statistics(): UploadsStatistics {
    return { inFlight: this.#underWay.size, received: this.#received, refused: this.#refused, failed: this.#failed };
  }

  /** Gives up what is being received and removes it; complete uploads stay for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new AppError('ABORTED', 'The server is stopping; upload again when it is back.'));
    await Promise.allSettled(this.#underWay);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A rename is durable once its folder is. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

function asUploadError(thrown: unknown): AppError {
  const code = (thrown as { readonly code?: unknown } | null)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('OVERLOADED', 'The disk for uploads is full; try again later.', { cause: thrown });
  }
  return toAppError(thrown);
}
