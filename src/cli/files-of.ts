/** What `circumplex analyze` is to read: files as they are, and the pictures and videos in folders. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join, resolve, sep } from 'node:path';
import { AppError } from '../errors.ts';

/**
 * Endings of what is taken, by what is in the files: the decoders of frames/decode-still.ts and the containers of
 * ingest/policy.ts. Left out are names that are mostly sound (m4a, mka, wma) and what no container holds (m2v, h264).
 */
export const ENDINGS = {
  JPEG: 'jpg jpeg jpe jfif',
  PNG: 'png apng',
  WebP: 'webp',
  GIF: 'gif',
  TIFF: 'tif tiff',
  AVIF: 'avif',
  // Refused where libvips lacks its codec, with words that say so: better than silence.
  HEIC: 'heic heif',
  'MP4/MOV': 'mp4 m4v mov qt 3gp 3gpp 3g2 3gp2 f4v',
  'Matroska/WebM': 'mkv mk3d webm',
  AVI: 'avi divx',
  'MPEG-TS': 'ts mts m2ts m2t',
  'MPEG-PS': 'mpg mpeg mpe m2p vob',
  FLV: 'flv',
  Ogg: 'ogv ogg ogm',
  'WMV/ASF': 'wmv asf',
} as const;

/** Folders hold other things too; a file that is named is read whatever its name. */
const EXTENSIONS: ReadonlySet<string> = new Set(
  Object.values(ENDINGS)
    .flatMap((endings) => endings.split(' '))
    .map((one) => `.${one}`),
);
const COLLATOR = new Intl.Collator('en', { numeric: true });

export interface InputFile {
  /** As it is opened, and as the rows name it. */
  readonly path: string;
  /** Below the folder that was named; of a file that was named itself, the last part. */
  readonly name: string;
}

/** One argument: a file, or what is in a folder. */
export interface NamedFiles {
  readonly argument: string;
  /** In the order of their names; just the argument where it is no folder. */
  readonly files: readonly InputFile[];
  /** Files of a folder that are left out because their names are not those of pictures or videos. */
  readonly leftOut: number;
  /** Links that are left out because they lead out of the folder, to folders, or nowhere. */
  readonly linksLeftOut: number;
  /** What cannot be read, or a folder without any picture and video. */
  readonly faults: readonly { readonly place: string; readonly error: AppError }[];
}

/**
 * Never what is hidden. Without `recursive`, not what lies in folders of a folder; with it links are followed to files
 * within the folder that was named, and nowhere else, so that no circle has no end.
 */
export async function filesOf(argument: string, { recursive }: { readonly recursive: boolean }): Promise<NamedFiles> {
  const isFolder = await stat(argument).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    const file = { path: argument, name: basename(resolve(argument)) };
    return { argument, files: [file], leftOut: 0, linksLeftOut: 0, faults: [] };
  }
  const found: Found = { files: [], leftOut: 0, linksLeftOut: 0, folders: 0, faults: [] };
  await walk({ path: argument, name: '' }, { recursive, root: argument, found });
  const { files, leftOut, linksLeftOut, faults } = found;
  if (files.length === 0 && faults.length === 0) faults.push({ place: argument, error: nothingIn(found, recursive) });
  return { argument, files, leftOut, linksLeftOut, faults };
}

/** `clip2` before `clip10`, the same on every machine. */
export function inOrder(a: string, b: string): number {
  return COLLATOR.compare(a, b) || (a < b ? -1 : Number(a > b));
}

interface Found {
  readonly files: InputFile[];
  leftOut: number;
  linksLeftOut: number;
  /** Folders in the folder that was named. */
  folders: number;
  readonly faults: { readonly place: string; readonly error: AppError }[];
}

interface Walk {
  readonly recursive: boolean;
  /** The folder that was named. */
  readonly root: string;
  readonly found: Found;
}

async function walk(folder: InputFile, { recursive, root, found }: Walk): Promise<void> {
  const entries = await readdir(folder.path, { withFileTypes: true }).catch((cause: unknown) => {
    const { code } = cause as { code?: unknown };
    const error = new AppError('NOT_FOUND', `The folder cannot be read (${String(code)}).`, { cause });
    found.faults.push({ place: folder.path, error });
    return [];
  });
  const visible = entries.filter(({ name }) => !name.startsWith('.')).sort((a, b) => inOrder(a.name, b.name));
  for (const entry of visible) {
    const inner = { path: join(folder.path, entry.name), name: join(folder.name, entry.name) };
    if (entry.isDirectory()) {
      found.folders += 1;
      if (recursive) await walk(inner, { recursive, root, found });
    } else if (!mayBeMedium(entry)) {
      found.leftOut += 1;
    } else if (recursive && !(await staysWithin(root, entry, inner.path))) {
      found.linksLeftOut += 1;
    } else {
      found.files.push(inner);
    }
  }
}

/** By its name, and no pipe or device, whose opening would wait for somebody. */
function mayBeMedium(entry: Dirent): boolean {
  return EXTENSIONS.has(extname(entry.name).toLowerCase()) && (entry.isFile() || entry.isSymbolicLink());
}

async function staysWithin(root: string, entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return true;
  try {
    const [home, goal] = await Promise.all([realpath(root), realpath(path)]);
    return goal.startsWith(home.endsWith(sep) ? home : home + sep) && (await stat(goal)).isFile();
  } catch {
    return false;
  }
}

function nothingIn({ folders }: Found, recursive: boolean): AppError {
  const hint = folders > 0 && !recursive ? '; --recursive looks into the folders in it too' : '';
  return new AppError('NOT_FOUND', `There is no picture and no video in this folder${hint}.`);
}
