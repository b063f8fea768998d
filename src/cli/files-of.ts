/** What `circumplex analyze` is to read: files as they are, and the pictures and videos in folders. */
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { AppError } from '../errors.ts';

const PICTURES = 'jpg jpeg png webp gif tif tiff avif heic heif';
const VIDEOS = 'mp4 m4v mov mkv webm avi ts mts m2ts mpg mpeg flv wmv';
/** Folders hold other things too; a file that is named is read whatever its name. */
const EXTENSIONS: ReadonlySet<string> = new Set([...PICTURES.split(' '), ...VIDEOS.split(' ')].map((one) => `.${one}`));
/** `clip2` before `clip10`, the same on every machine. */
const ORDER = new Intl.Collator('en', { numeric: true });

/** One argument: a file, or what is in a folder. */
export interface NamedFiles {
  readonly argument: string;
  /** In the order of their names; just the argument where it is no folder. */
  readonly files: readonly string[];
  /** Files of a folder that are left out because their names are not those of pictures or videos. */
  readonly leftOut: number;
  /** Why a folder gives nothing: it cannot be read, or holds no picture and no video. */
  readonly error: AppError | null;
}

/** Not what lies in folders of a folder, nor hidden files. */
export async function filesOf(argument: string): Promise<NamedFiles> {
  const isFolder = await stat(argument).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) return { argument, files: [argument], leftOut: 0, error: null };
  try {
    const entries = await readdir(argument, { withFileTypes: true });
    const names = entries
      .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name);
    const taken = names.filter((name) => EXTENSIONS.has(extname(name).toLowerCase())).sort(ORDER.compare);
    const error =
      taken.length > 0 ? null : new AppError('NOT_FOUND', 'There is no picture and no video in this folder.');
    return { argument, files: taken.map((name) => join(argument, name)), leftOut: names.length - taken.length, error };
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    const error = new AppError('NOT_FOUND', `The folder cannot be read (${String(code)}).`, { cause });
    return { argument, files: [], leftOut: 0, error };
  }
}
