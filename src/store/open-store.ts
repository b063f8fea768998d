import { fileURLToPath } from 'node:url';
import { readSummary, readTimeline, readTrack, readTracks } from './aggregates.ts';
import { guarded, openDatabase, writeProbe } from './database.ts';
import { Eraser } from './erasing.ts';
import { readFrames, readFramesAfter, readLastFrames, readProgress } from './frame-reader.ts';
import { FrameSums } from './frame-sums.ts';
import { FrameWriter } from './frame-writer.ts';
import { deleteImage, deleteImagesBefore, listImages } from './images.ts';
import { countOpenStreams, countStoredFrames, listKeys, readForeignChanges, revokeKey } from './keys.ts';
import { checkMigrated, migrate } from './migrate.ts';
import type { Inquiry } from './pieces.ts';
import { imageRow, keyRow, streamRow, toImage, toStream } from './rows.ts';
import { countStreams, deleteStream, expiredStreams, listStreams, unfinishedStreams, updateStream } from './streams.ts';
import { Turns } from './turns.ts';
import type { Store } from './types.ts';

export interface StoreOptions {
  /** `file:PATH` of a SQLite database, made when missing. */
  readonly databaseUrl: string;
  /** Folder of the migrations. Default the program's own. */
  readonly migrationsFolder?: string;
  /** Reads beside a server at work: changes nothing, and every write is STORE_FAILED. Default `false`. */
  readonly readOnly?: boolean;
  /** Whether the database has to be there already. Default `false`. */
  readonly mustExist?: boolean;
}

/** Both `src/store` and `dist/store` lie two folders below the root. */
const MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/** Opens the database and brings it up to date. Errors: CONFIG_INVALID (no `file:` URL), STORE_FAILED. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { databaseUrl, migrationsFolder = MIGRATIONS, readOnly = false, mustExist = readOnly } = options;
  const database = await openDatabase(databaseUrl, { readOnly, mustExist });
  try {
    if (readOnly) await guarded('be read', () => checkMigrated(database, migrationsFolder));
    else await guarded('be brought up to date', () => migrate(database, migrationsFolder));
  } catch (thrown) {
    await database.$disconnect();
    throw thrown;
  }
  const turns = new Turns();
  const writer = new FrameWriter(database, turns);
  const sums = new FrameSums(database);
  const inTurn = <T>(what: string, work: () => Promise<T>): Promise<T> => turns.run(() => guarded(what, work));
  const read = <T>(what: string, work: () => Promise<T>): Promise<T> => inTurn(`read ${what}`, work);
  const inquiry = (what: string): Inquiry => ({ database, turn: (work) => read(what, work) });
  const write = <T>(what: string, work: () => Promise<T>): Promise<T> => inTurn(`write ${what}`, work);
  const eraser = new Eraser(database, turns);

  return {
    createStream: (stream, secretAddress) =>
      write('the stream', async () =>
        toStream(
          await database.stream.create({ data: { ...streamRow(stream), secretAddress: secretAddress ?? null } }),
        ),
      ),
    updateStream: (id, patch) => write('the stream', () => updateStream(database, id, patch)),
    stream: (id) =>
      read('the stream', async () => {
        const row = await database.stream.findUnique({ where: { id } });
        return row === null ? null : toStream(row);
      }),
    secretAddress: (id) =>
      read('the stream', async () => {
        const row = await database.stream.findUnique({ where: { id }, select: { secretAddress: true } });
        return row?.secretAddress ?? null;
      }),
    streams: (query) => read('the streams', () => listStreams(database, query)),
    unfinishedStreams: () => read('the streams', () => unfinishedStreams(database)),
    countStreams: () => read('the streams', () => countStreams(database)),
    deleteStream: (id, signal) => {
      sums.forget(id);
      return deleteStream(database, id, eraser.begin(signal));
    },
    expiredStreams: (expiry, limit) => read('the streams', () => expiredStreams(database, expiry, limit)),

    appendFrames: (frames) => writer.append(frames),
    frames: (streamId, query) => read('the frames', () => readFrames(database, streamId, query)),
    framesAfter: (streamId, sequence, limit) =>
      read('the frames', () => readFramesAfter(database, streamId, { sequence, limit })),
    lastFrames: (streamId, seconds) => read('the frames', () => readLastFrames(database, streamId, seconds)),
    progress: (streamId) => read('the progress', () => readProgress(database, sums, streamId)),

    tracks: (streamId, query) => read('the tracks', () => readTracks(database, streamId, query)),
    track: (streamId, trackNumber) => read('the track', () => readTrack(database, streamId, trackNumber)),
    timeline: (streamId, query) => readTimeline(inquiry('the timeline'), streamId, query),
    summary: (streamId, query) => readSummary(inquiry('the summary'), streamId, query),

    saveImage: (image) =>
      write('the image', async () => {
        await database.image.create({ data: imageRow(image) });
      }),
    image: (id) =>
      read('the image', async () => {
        const row = await database.image.findUnique({ where: { id } });
        return row === null ? null : toImage(row);
      }),
    images: (query) => read('the images', () => listImages(database, query)),
    deleteImage: (id) => deleteImage(database, id, eraser.begin()),
    deleteImagesBefore: (moment, signal) => deleteImagesBefore(database, moment, eraser.begin(signal)),
    finishErasures: () => eraser.finish(),

    createKey: (key) =>
      write('the key', async () => {
        await database.apiKey.create({ data: keyRow(key) });
      }),
    keys: () => read('the keys', () => listKeys(database)),
    revokeKey: (id, revokedAt) => write('the key', () => revokeKey(database, id, revokedAt)),
    keysUsed: (ids, lastUsedAt) =>
      write('the keys', async () => {
        await database.apiKey.updateMany({ where: { id: { in: [...ids] } }, data: { lastUsedAt } });
      }),
    foreignChanges: () => read('its state', () => readForeignChanges(database)),
    openStreamsOf: (ownerKeyId) => read('the streams', () => countOpenStreams(database, ownerKeyId)),
    storedFramesOf: (ownerKeyId) => read('the frames', () => countStoredFrames(database, ownerKeyId)),

    checkWritable: () => turns.run(() => guarded('be written to', () => writeProbe(database), { waits: false })),
    statistics: () => writer.statistics,
    async [Symbol.asyncDispose]() {
      await writer[Symbol.asyncDispose]();
      await turns.close(() => database.$disconnect());
    },
  };
}
