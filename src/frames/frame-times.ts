/** The times of frames, pulled from the metadata pipe one by one. */
import type { Readable } from 'node:stream';
import { MetadataRecords } from './metadata-records.ts';

export class FrameTimes {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #records = new MetadataRecords();
  #waiting: (number | null)[] = [];
  #next = 0;

  constructor(metadata: Readable) {
    this.#chunks = (metadata as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** Ticks of the next frame (`null`: it carries none); `undefined` after the last. */
  async next(): Promise<number | null | undefined> {
    while (this.#next >= this.#waiting.length) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#waiting = this.#records.add(value.toString('latin1'));
      this.#next = 0;
    }
    return this.#waiting[this.#next++];
  }

  /** Ends the pipe's reading. */
  async end(): Promise<void> {
    await this.#chunks.return?.();
  }
}
