/** How many frames the streams of each key hold, so that no key fills the disk for all. */
import { AppError } from '../errors.ts';
import type { Store } from '../store/index.ts';

export interface FrameAllowanceOptions {
  readonly store: Pick<Store, 'storedFramesOf'>;
  /** Most frames of a key's streams; infinite where there is no limit. */
  readonly maxFramesOf: (ownerKeyId: string) => number;
}

/**
 * Counts by itself what is stored and never what is erased, and asks the database once its count has reached the limit. So
 * a frame costs a look into a map, and the limit may be passed by no more than the frames in flight.
 */
export class FrameAllowance {
  readonly #options: FrameAllowanceOptions;
  readonly #frames = new Map<string, number>();

  constructor(options: FrameAllowanceOptions) {
    this.#options = options;
  }

  /** Whether one more frame may be stored. Errors: LIMIT_EXCEEDED, STORE_FAILED. */
  async check(ownerKeyId: string | null): Promise<void> {
    if (ownerKeyId === null) return;
    const max = this.#options.maxFramesOf(ownerKeyId);
    if (max === Number.POSITIVE_INFINITY) return;
    if ((this.#frames.get(ownerKeyId) ?? max) < max) return;
    const stored = await this.#options.store.storedFramesOf(ownerKeyId);
    this.#frames.set(ownerKeyId, stored);
    if (stored < max) return;
    const message = `The streams of the key hold ${stored} frames and ${max} is its limit; erase some, then try again.`;
    throw new AppError('LIMIT_EXCEEDED', message);
  }

  /** Takes the room of one frame that is about to be stored. Errors: those of `check`. */
  async take(ownerKeyId: string | null): Promise<void> {
    await this.check(ownerKeyId);
    const frames = ownerKeyId === null ? undefined : this.#frames.get(ownerKeyId);
    if (ownerKeyId !== null && frames !== undefined) this.#frames.set(ownerKeyId, frames + 1);
  }
}
