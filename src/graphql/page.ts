/** The page at `/` and its files: what `vite build web` made, read once and answered from memory. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import { checkReading, type Exchange } from './probes.ts';

/** Both `src/graphql` and `dist/graphql` lie two folders below the root. */
const BUILT = fileURLToPath(new URL('../../web/dist', import.meta.url));

export const PAGE_PATH = '/';
/** The build names these by what they hold, so they never change. */
const ASSETS_PATH = '/assets/';
/** Of all files together, uncompressed; the page has a tenth. */
const MAX_BYTES = 4 * 1024 * 1024;

/** The files that are worth compressing come first; what is in no list comes as bytes. */
const TEXT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const PACKED_TYPES: Readonly<Record<string, string>> = { '.png': 'image/png', '.woff2': 'font/woff2' };

/**
 * The page runs its own files and talks to its own server, WebSockets included (`'self'` covers them). blob: is for the
 * pictures and videos that its user has chosen, which never leave the browser but for the analysis.
 */
const PAGE_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; '),
  'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
};

export interface Page {
  /** Whether the page answers this path, be it with NOT_FOUND. It holds nothing of anybody, so it asks for no key. */
  has(path: string): boolean;
  /** Errors: NOT_FOUND, BAD_INPUT for what is no reading. */
  send(path: string, exchange: Pick<Exchange, 'request' | 'response'>): void;
}

/** One form in which a file can be sent. */
interface Form {
  readonly bytes: Buffer;
  /** Strong, so each form has its own. */
  readonly etag: string;
}

interface PageFile {
  readonly type: string;
  readonly plain: Form;
  /** `null` where it would be no smaller. */
  readonly gzipped: Form | null;
}

/** Reads the built page. Without one, or with one that is too large, the server runs on and `/` says what is missing. */
export async function openPage({
  log,
  folder = BUILT,
}: {
  readonly log: Log;
  readonly folder?: string;
}): Promise<Page> {
  const files = await readFiles(folder).catch((thrown: unknown) => {
    log.warn({ err: thrown }, 'the page at / is left out');
    return new Map<string, PageFile>();
  });

  return {
    // A browser may still ask for the files of an older build.
    has: (path) => path === PAGE_PATH || path.startsWith(ASSETS_PATH) || files.has(path),
    send(path, { request, response }) {
      checkReading(request, response);
      const file = files.get(path);
      if (file === undefined) throw new AppError('NOT_FOUND', absence(files.size > 0));
      const isAsset = path.startsWith(ASSETS_PATH);
      const form = file.gzipped !== null && acceptsGzip(request.headers) ? file.gzipped : file.plain;
      response.appendHeader('vary', 'accept-encoding');
      const headers = {
        ...PAGE_HEADERS,
        'cache-control': isAsset ? 'public, max-age=31536000, immutable' : 'no-cache',
        etag: form.etag,
      };
      if (isKnown(request.headers, form)) {
        response.writeHead(304, headers).end();
        return;
      }
      response.writeHead(200, {
        ...headers,
        ...(form === file.gzipped ? { 'content-encoding': 'gzip' } : {}),
        'content-type': file.type,
        'content-length': form.bytes.byteLength,
      });
      // To HEAD, Node sends no body.
      response.end(form.bytes);
    },
  };
}

function absence(isBuilt: boolean): string {
  return isBuilt
    ? 'The page has no such file; reload it, it may have been built anew.'
    : 'The page is not built: run node scripts/setup.mjs, then start the server again. GraphQL is at /graphql.';
}

/** All files below `folder` by the path that asks for each: no other path leads to a file. */
async function readFiles(folder: string): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  let left = MAX_BYTES;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    left -= (await stat(file)).size;
    if (left < 0) throw new Error(`${folder} has more than ${MAX_BYTES} bytes`);
    const path = `/${relative(folder, file).split(sep).join('/')}`;
    files.set(path === '/index.html' ? PAGE_PATH : path, await readPageFile(file));
  }
  if (!files.has(PAGE_PATH)) throw new Error(`${folder} has no index.html`);
  return files;
}

async function readPageFile(file: string): Promise<PageFile> {
  const bytes = await readFile(file);
  const hash = createHash('sha256').update(bytes).digest('base64url');
  const extension = extname(file);
  const textType = TEXT_TYPES[extension];
  const packed = textType === undefined ? bytes : await promisify(gzip)(bytes, { level: 9 });
  return {
    type: textType ?? PACKED_TYPES[extension] ?? 'application/octet-stream',
    plain: { bytes, etag: `"${hash}"` },
    gzipped: packed.byteLength < bytes.byteLength ? { bytes: packed, etag: `"${hash}-gzip"` } : null,
  };
}

/** Whether the browser holds this very form already. A proxy may have marked its etag as weak; the bytes are the same. */
function isKnown(headers: IncomingHttpHeaders, { etag }: Form): boolean {
  const held = (headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return held.includes(etag) || held.includes('*');
}

/** By `accept-encoding`: gzip, or anything, that is not ruled out by a quality of 0. */
function acceptsGzip(headers: IncomingHttpHeaders): boolean {
  const given = headers['accept-encoding'];
  const qualities = new Map<string, number>();
  for (const item of String(given ?? '').split(',')) {
    const [name = '', quality] = item.toLowerCase().split(';');
    qualities.set(name.trim(), quality === undefined ? 1 : Number(/q=\s*([\d.]+)/.exec(quality)?.[1] ?? 0));
  }
  return (qualities.get('gzip') ?? qualities.get('*') ?? 0) > 0;
}
