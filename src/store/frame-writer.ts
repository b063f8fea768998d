import type { FrameEstimate } from '../domain.ts';
import { AppError } from '../errors.ts';
import { Histogram, LATENCY_BOUNDS_MS } from '../flow/index.ts';
import type { Database } from './database.ts';
import { faceRow, frameRow } from './rows.ts';
import { isLocked, throughLocks } from './through-locks.ts';
import type { Turns } from './turns.ts';

/** Rows of one transaction. SQLite works on our thread: at some 5 us a row this holds it for about 10 ms. */
const MAX_ROWS_A_WRITE = 2000;
/** Frames that may wait for their write; more wait outside, with their caller. */
const MAX_FRAMES_WAITING = 4096;

const FRAME_COLUMNS = 9;
const FACE_COLUMNS = 23;

/**
 * An insert that reads all its rows from one JSON text: many times faster than a parameter a value. DO NOTHING is about
 * repeated keys alone; OR IGNORE would swallow a missing value too. `WHERE true` tells ON CONFLICT from a join's ON.
 * jsonb_each hands on a row in parsed form, which json_each would have SQLite parse again for its columns (a fifth more).
 */
function insertSql(table: string, names: string, columns: number): string {
  const values = Array.from({ length: columns }, (_, index) => `value ->> ${index}`).join(', ');
  return `INSERT INTO "${table}" (${names}) SELECT ${values} FROM jsonb_each(?) WHERE true ON CONFLICT DO NOTHING`;
}

const INSERT_FRAMES = insertSql(
  'Frame',
  'streamId, sequence, ptsSeconds, capturedAt, width, height, faceCount, skippedBefore, latencyMs',
  FRAME_COLUMNS,
);
const STORED_ALREADY = `SELECT streamId, sequence FROM "Frame" WHERE (streamId, sequence) IN
  (SELECT value ->> 0, value ->> 1 FROM jsonb_each(?))`;
const INSERT_FACES = insertSql(
  'FaceEstimate',
  `streamId, sequence, trackNumber, ptsSeconds, score, boxX, boxY, boxWidth, boxHeight, landmarks, valence, arousal,
   valenceSmoothed, arousalSmoothed, uncertainty, neutral, happiness, sadness, surprise, fear, disgust, anger, contempt`,
  FACE_COLUMNS,
);

/** A call that waits for room outside. */
interface Outsider {
  readonly frames: readonly FrameEstimate[];
  /** Why it is refused: frames before it could not be written. */
  refusedBy: AppError | null;
}

interface Append {
  readonly frames: readonly FrameEstimate[];
  readonly rows: number;
  readonly resolve: () => void;
  readonly reject: (error: AppError) => void;
  refused: boolean;
}

/**
 * Writes frames in the order of the calls. What arrives while a write is under way goes into the next one together (a
 * group commit), so that the cost of a commit is shared. A call that fails takes those with it that wait behind it with
 * frames of the same stream, so that what is stored of a stream never has a gap.
 */
export class FrameWriter implements AsyncDisposable {
  readonly #database: Database;
  readonly #turns: Turns;
  #waiting: Append[] = [];
  /** In the order in which they came; the first alone may enter. */
  readonly #outside = new Set<Outsider>();
  readonly #forRoom: (() => void)[] = [];
  #framesWaiting = 0;
  #framesWritten = 0;
  #writes = 0;
  #writesFailed = 0;
  readonly #appendMs = new Histogram(LATENCY_BOUNDS_MS);
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(database: Database, turns: Turns) {
    this.#database = database;
    this.#turns = turns;
  }

  get statistics() {
    return {
      framesWaiting: this.#framesWaiting,
      framesWritten: this.#framesWritten,
      writes: this.#writes,
      writesFailed: this.#writesFailed,
      appendMs: this.#appendMs.snapshot(),
    };
  }

  async append(frames: readonly FrameEstimate[]): Promise<void> {
    if (frames.length === 0) return;
    const beganAtMs = performance.now();
    const outsider: Outsider = { frames, refusedBy: null };
    this.#outside.add(outsider);
    while (!this.#closed && outsider.refusedBy === null && !this.#mayEnter(outsider)) {
      await new Promise<void>((resolve) => this.#forRoom.push(resolve));
    }
    this.#outside.delete(outsider);
    if (outsider.refusedBy !== null) {
      // It enters not, so no write of its own will tell whoever came behind it that it is their turn.
      this.#wakeOutside();
      throw outsider.refusedBy;
    }
    if (this.#closed) throw new AppError('STORE_FAILED', 'The database is being closed; nothing more is written.');
    const rows = frames.reduce((sum, { faces }) => sum + 1 + faces.length, 0);
    this.#framesWaiting += frames.length;
    const written = new Promise<void>((resolve, reject) =>
      this.#waiting.push({ frames, rows, resolve, reject, refused: false }),
    );
    this.#running ??= this.#run();
    await written;
    this.#appendMs.observe(performance.now() - beganAtMs);
  }

  /** Resolves once everything that was accepted is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#wakeOutside();
    await this.#running;
  }

  #mayEnter(outsider: Outsider): boolean {
    const [first] = this.#outside;
    const hasRoom = this.#framesWaiting === 0 || this.#framesWaiting + outsider.frames.length <= MAX_FRAMES_WAITING;
    return first === outsider && hasRoom;
  }

  async #run(): Promise<void> {
    // Calls of this same turn join the first write.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#write(this.#take());
    this.#running = null;
  }

  #take(): readonly Append[] {
    let rows = 0;
    let count = 0;
    for (const append of this.#waiting) {
      if (count > 0 && rows + append.rows > MAX_ROWS_A_WRITE) break;
      rows += append.rows;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(batch: readonly Append[]): Promise<void> {
    try {
      await this.#insert(batch.flatMap((append) => append.frames));
      for (const { resolve } of batch) resolve();
    } catch (cause) {
      this.#writesFailed += 1;
      // One call's frames may be at fault (their stream is gone): each call alone shows whose. A lock is everybody's.
      if (batch.length > 1 && !isLocked(cause)) await this.#writeEach(batch);
      else this.#refuse(batch, writeFailed(cause));
    } finally {
      this.#leave(batch);
    }
  }

  async #writeEach(batch: readonly Append[]): Promise<void> {
    for (const [index, append] of batch.entries()) {
      if (append.refused) continue;
      try {
        await this.#insert(append.frames);
        append.resolve();
      } catch (cause) {
        this.#writesFailed += 1;
        this.#refuse([append], writeFailed(cause), batch.slice(index + 1));
      }
    }
  }

  /** Refuses calls, and those behind them with frames of the same streams: written, these would leave a gap. */
  #refuse(calls: readonly Append[], error: AppError, behind: readonly Append[] = []): void {
    const streamIds = new Set(calls.flatMap(({ frames }) => frames.map(({ streamId }) => streamId)));
    const follows = ({ frames }: Outsider | Append): boolean => frames.some(({ streamId }) => streamIds.has(streamId));
    const waiting = this.#waiting.filter(follows);
    for (const append of [...calls, ...behind.filter(follows), ...waiting]) {
      append.refused = true;
      append.reject(error);
    }
    for (const outsider of this.#outside) if (follows(outsider)) outsider.refusedBy ??= error;
    this.#waiting = this.#waiting.filter(({ refused }) => !refused);
    this.#leave(waiting);
  }

  #leave(calls: readonly Append[]): void {
    this.#framesWaiting -= calls.reduce((sum, { frames }) => sum + frames.length, 0);
    this.#wakeOutside();
  }

  #wakeOutside(): void {
    for (const wake of this.#forRoom.splice(0)) wake();
  }

  /** All of the frames or none. Of frames that are stored already, nothing is touched, nor are faces added to them. */
  async #insert(frames: readonly FrameEstimate[]): Promise<void> {
    const fresh = new Map<string, FrameEstimate>();
    for (const frame of frames) if (!fresh.has(keyOf(frame))) fresh.set(keyOf(frame), frame);
    await this.#turns.run(() => throughLocks(() => this.#insertFresh(fresh)));
    this.#writes += 1;
    this.#framesWritten += frames.length;
  }

  async #insertFresh(fresh: Map<string, FrameEstimate>): Promise<void> {
    const rows = JSON.stringify([...fresh.values()].map(frameRow));
    for (const key of await this.#database.$queryRawUnsafe<FrameKey[]>(STORED_ALREADY, rows)) fresh.delete(keyOf(key));
    const faces = [...fresh.values()].flatMap((frame) => frame.faces.map((face) => faceRow(frame, face)));
    await this.#database.$transaction([
      this.#database.$executeRawUnsafe(INSERT_FRAMES, rows),
      ...(faces.length > 0 ? [this.#database.$executeRawUnsafe(INSERT_FACES, JSON.stringify(faces))] : []),
    ]);
  }
}

interface FrameKey {
  readonly streamId: string;
  readonly sequence: number | bigint;
}

function keyOf({ streamId, sequence }: FrameKey): string {
  return `${sequence} ${streamId}`;
}

function writeFailed(cause: unknown): AppError {
  const message = 'The frames could not be written; see that the disk is not full and the stream exists.';
  return new AppError('STORE_FAILED', message, { cause });
}
