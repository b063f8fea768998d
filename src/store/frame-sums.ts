import { Prisma } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';

/** Streams whose sums are kept: those of the longest page, with some hundred bytes each. */
const KEPT_STREAMS = 1000;

interface Sums {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly faces: number;
  readonly skipped: number;
}

/**
 * Sums over all frames of a stream, which no index holds: the first question reads every frame (125 ms of our thread for
 * 600,000), later ones those that came since. A stored frame never changes, and frames go from the first one on alone, so
 * sums from the same first frame can be added to.
 */
export class FrameSums {
  readonly #database: Database;
  /** The longest not asked for first. */
  readonly #kept = new Map<string, Sums>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Of the frames from `firstSequence` to `lastSequence`, which are all that are stored of the stream. */
  async of(
    streamId: string,
    { firstSequence, lastSequence }: Pick<Sums, 'firstSequence' | 'lastSequence'>,
  ): Promise<Pick<Sums, 'faces' | 'skipped'>> {
    const known = this.#kept.get(streamId);
    const goesOn = known?.firstSequence === firstSequence && known.lastSequence <= lastSequence;
    const before = goesOn ? known : { lastSequence: firstSequence - 1, faces: 0, skipped: 0 };
    const since = before.lastSequence === lastSequence ? NOTHING : await this.#read(streamId, before.lastSequence);
    const sums = { faces: before.faces + since.faces, skipped: before.skipped + since.skipped };
    this.#keep(streamId, { firstSequence, lastSequence, ...sums });
    return sums;
  }

  /** To be told of a stream that is erased: another may get its id. */
  forget(streamId: string): void {
    this.#kept.delete(streamId);
  }

  async #read(streamId: string, afterSequence: number): Promise<Pick<Sums, 'faces' | 'skipped'>> {
    const [row] = await this.#database.$queryRaw<Record<'faces' | 'skipped', number | bigint | null>[]>(
      Prisma.sql`SELECT sum(faceCount) AS faces, sum(skippedBefore) AS skipped FROM Frame
        WHERE streamId = ${streamId} AND sequence > ${afterSequence}`,
    );
    return { faces: Number(row?.faces ?? 0), skipped: Number(row?.skipped ?? 0) };
  }

  #keep(streamId: string, sums: Sums): void {
    this.#kept.delete(streamId);
    this.#kept.set(streamId, sums);
    const [longestUnasked] = this.#kept.keys();
    if (this.#kept.size > KEPT_STREAMS && longestUnasked !== undefined) this.#kept.delete(longestUnasked);
  }
}

const NOTHING = { faces: 0, skipped: 0 };
