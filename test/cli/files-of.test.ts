import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENDINGS, filesOf, inOrder } from '../../src/cli/files-of.ts';
import { decodeStill } from '../../src/frames/index.ts';
import { probeMedia } from '../../src/ingest/index.ts';
import { ffmpeg, temporaryFolder } from '../pipeline/support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

/** Makes empty files with the folders that they need. */
async function make(root: string, names: readonly string[]): Promise<string> {
  for (const name of names) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), '');
  }
  return root;
}

async function namesIn(root: string, recursive: boolean): Promise<string[]> {
  return (await filesOf(root, { recursive })).files.map(({ name }) => name);
}

describe('the files of a folder', () => {
  it('are those with an ending of a picture or video, in the order of their names', async () => {
    const names = ['clip10.mp4', 'clip2.MP4', 'notes.txt', '.hidden.mp4', 'deeper/a.mp4', 'mp4'];
    const root = await make(join(folder.path, 'flat'), names);
    expect(await filesOf(root, { recursive: false })).toMatchObject({
      files: [
        { path: join(root, 'clip2.MP4'), name: 'clip2.MP4' },
        { path: join(root, 'clip10.mp4'), name: 'clip10.mp4' },
      ],
      leftOut: 2,
      linksLeftOut: 0,
      faults: [],
    });
  });

  it('are those of folders in it too where that is asked for, but not of hidden ones', async () => {
    const root = await make(join(folder.path, 'deep'), ['b/2/x.avi', 'b/1.jpg', 'a.png', '.git/c.jpg', 'b/z.csv']);
    expect(await filesOf(root, { recursive: true })).toMatchObject({
      files: [{ name: 'a.png' }, { name: 'b/1.jpg' }, { name: 'b/2/x.avi', path: join(root, 'b/2/x.avi') }],
      leftOut: 1,
      faults: [],
    });
  });

  it('are not looked for behind links that lead out of it, to folders, in circles or nowhere', async () => {
    await make(folder.path, ['outside/secret.jpg', 'linked-beside/other.jpg']);
    const root = await make(join(folder.path, 'linked'), ['a.jpg', 'in/b.jpg']);
    await symlink('../outside/secret.jpg', join(root, 'secret.jpg'));
    // Its name begins like the folder's own.
    await symlink('../linked-beside/other.jpg', join(root, 'beside.jpg'));
    await symlink('../outside', join(root, 'outside'));
    await symlink('..', join(root, 'in', 'circle.mp4'));
    await symlink('nowhere', join(root, 'broken.jpg'));
    await symlink('in/b.jpg', join(root, 'inside.jpg'));
    const found = await filesOf(root, { recursive: true });
    expect(found.files.map(({ name }) => name)).toEqual(['a.jpg', 'in/b.jpg', 'inside.jpg']);
    expect(found).toMatchObject({ linksLeftOut: 4, leftOut: 1, faults: [] });
  });

  it('are found in a folder that is named by a link', async () => {
    const root = await make(join(folder.path, 'real'), ['a.jpg', 'in/b.jpg']);
    const link = join(folder.path, 'link-to-real');
    await symlink(root, link);
    expect(await filesOf(link, { recursive: true })).toMatchObject({
      files: [{ path: join(link, 'a.jpg') }, { path: join(link, 'in/b.jpg') }],
    });
  });

  it('are no pipes, which would wait for a writer', async () => {
    const root = await make(join(folder.path, 'pipes'), ['a.jpg']);
    await promisify(execFile)('mkfifo', [join(root, 'pipe.mp4')]);
    expect(await filesOf(root, { recursive: false })).toMatchObject({ files: [{ name: 'a.jpg' }], leftOut: 1 });
  });

  it('are missed aloud: an empty folder says so, and what would find more', async () => {
    const root = await make(join(folder.path, 'nothing'), ['in/a.jpg', 'in/notes/b.txt']);
    const [flat] = (await filesOf(root, { recursive: false })).faults;
    expect(flat).toMatchObject({ place: root, error: { code: 'NOT_FOUND' } });
    expect(flat!.error.message).toContain('--recursive');
    const [deep] = (await filesOf(join(root, 'in/notes'), { recursive: true })).faults;
    expect(deep!.error.message).not.toContain('--recursive');
  });

  it('are found whatever their names, all of them, in one order', async () => {
    const part = fc
      .string({ unit: fc.constantFrom(...'aB1 2é\'"\n\t\\*?%$;&|<>~#=+-,[]{}!:日\u202e.'), minLength: 1, maxLength: 8 })
      .filter((text) => !text.startsWith('.'));
    const path = fc
      .tuple(
        fc.array(
          part.map((text) => `${text}d`),
          { maxLength: 2 },
        ),
        part,
      )
      .map(([folders, text]) => [...folders, `${text}.jpg`].join('/'));
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path, { minLength: 1, maxLength: 8 }), async (names) => {
        count += 1;
        const root = await make(join(folder.path, `odd ${count}`), names);
        const found = await namesIn(root, true);
        expect([...found].sort()).toEqual([...names].sort());
        const again = await make(join(folder.path, `odd ${count} again`), [...names].reverse());
        expect(await namesIn(again, true)).toEqual(found);
      }),
      { numRuns: 25 },
    );
  });
});

describe('a name that is no folder', () => {
  it('is taken as it is, whatever its ending and whether it is there', async () => {
    expect(await filesOf('some/where.else/', { recursive: true })).toEqual({
      argument: 'some/where.else/',
      files: [{ path: 'some/where.else/', name: 'where.else' }],
      leftOut: 0,
      linksLeftOut: 0,
      faults: [],
    });
  });
});

describe('the order of names', () => {
  it('tells apart what counts as the same number, so that every folder has one order', () => {
    expect(['a01', 'a1', 'a10', 'a2'].sort(inOrder)).toEqual(['a01', 'a1', 'a2', 'a10']);
    expect(['a1', 'a01', 'a2', 'a10'].sort(inOrder)).toEqual(['a01', 'a1', 'a2', 'a10']);
  });
});

describe('the endings', () => {
  const h264 = ['-c:v', 'libx264'];
  /** How ffmpeg makes what each ending stands for. */
  const makers: Record<string, readonly string[]> = {
    ...{ mp4: ['-f', 'mp4', ...h264], m4v: ['-f', 'ipod', ...h264], mov: ['-f', 'mov', ...h264] },
    ...{ qt: ['-f', 'mov', '-c:v', 'mjpeg'], '3gp': ['-f', '3gp', '-s', '176x144', '-c:v', 'h263'] },
    ...{ '3gpp': ['-f', '3gp', ...h264], '3g2': ['-f', '3g2', ...h264], '3gp2': ['-f', '3g2', '-c:v', 'mpeg4'] },
    ...{ f4v: ['-f', 'f4v', ...h264], mkv: ['-f', 'matroska', ...h264], mk3d: ['-f', 'matroska', ...h264] },
    ...{ webm: ['-f', 'webm', '-c:v', 'libvpx'], avi: ['-f', 'avi', '-c:v', 'mpeg4'] },
    ...{ divx: ['-f', 'avi', '-c:v', 'msmpeg4'], ts: ['-f', 'mpegts', ...h264], m2t: ['-f', 'mpegts', ...h264] },
    ...{ mts: ['-f', 'mpegts', '-mpegts_m2ts_mode', '1', ...h264] },
    ...{ m2ts: ['-f', 'mpegts', '-mpegts_m2ts_mode', '1', ...h264], mpg: ['-f', 'mpeg', '-c:v', 'mpeg1video'] },
    ...{ mpeg: ['-f', 'mpeg', '-c:v', 'mpeg2video'], mpe: ['-f', 'mpeg', '-c:v', 'mpeg1video'] },
    ...{ m2p: ['-f', 'dvd', '-c:v', 'mpeg2video'], vob: ['-f', 'vob', '-c:v', 'mpeg2video'] },
    ...{ flv: ['-f', 'flv', '-c:v', 'flv'], ogv: ['-f', 'ogv', '-c:v', 'libtheora'] },
    ...{ ogg: ['-f', 'ogg', '-c:v', 'libtheora'], ogm: ['-f', 'ogg', '-c:v', 'libtheora'] },
    ...{ wmv: ['-f', 'asf', '-c:v', 'wmv2'], asf: ['-f', 'asf', '-c:v', 'msmpeg4'] },
  };
  const { JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC, ...VIDEOS } = ENDINGS;
  const videoEndings = Object.values(VIDEOS).flatMap((endings) => endings.split(' '));

  it('of videos are those of containers that are opened', async () => {
    expect(Object.keys(makers).sort()).toEqual([...videoEndings].sort());
    const root = join(folder.path, 'containers');
    await mkdir(root);
    for (const ending of videoEndings) {
      const path = join(root, `clip.${ending}`);
      const source = ['-f', 'lavfi', '-i', 'testsrc=size=352x288:rate=25', '-frames:v', '10', '-pix_fmt'];
      const format = ending === 'qt' ? 'yuvj420p' : 'yuv420p';
      await ffmpeg(...source, format, ...makers[ending]!, path);
      expect((await probeMedia(path)).width, ending).toBeGreaterThan(0);
    }
    expect(await namesIn(root, false)).toHaveLength(videoEndings.length);
  });

  it('of pictures are those of kinds that are decoded, and HEIC, which is refused aloud', async () => {
    const picture = sharp({ create: { width: 32, height: 24, channels: 3, background: 'teal' } });
    const kinds = { jpeg: JPEG, png: PNG, webp: WebP, gif: GIF, tiff: TIFF, avif: AVIF } as const;
    for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
      const bytes = await picture.clone().toFormat(kind).toBuffer();
      expect(await decodeStill(bytes, { maxPixels: 1000, maxSidePixels: 100 }), kind).toMatchObject({
        sourceWidth: 32,
      });
    }
    expect(HEIC).toBe('heic heif');
  });

  it('are listed in docs/api.md', async () => {
    const document = await readFile(fileURLToPath(new URL('../../docs/api.md', import.meta.url)), 'utf8');
    const [, section = ''] = document.split('\n### Endings\n');
    const rows = [...section.split('\n### ')[0]!.matchAll(/^\| ([^|]+) \| ([^|]*`[^|]*) \|$/gm)];
    const told = rows.map(([, what, endings]) => [what, endings!.replaceAll(/[`,.]/g, '')]);
    expect(Object.fromEntries(told)).toEqual(ENDINGS);
  });
});
