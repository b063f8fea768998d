/**
 * Makes a picture and a short video with faces, to try the program on, from photographs of the development dependency
 * `@vladmandic/face-api`.
 *
 *     npx tsx scripts/make-sample.ts [folder]      default: data/sample
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PHOTOGRAPHS = fileURLToPath(new URL('../node_modules/@vladmandic/face-api/demo/', import.meta.url));
const DEFAULT_FOLDER = fileURLToPath(new URL('../data/sample/', import.meta.url));

const SIZE = '640x360';
const FRAMES_PER_SECOND = 25;

/** A slow move over one photograph: the 16:9 part that is shown, how far the camera goes in, and for how many frames. */
interface Shot {
  readonly photograph: string;
  /** width:height:x:y in pixels of the photograph. */
  readonly part: string;
  readonly zoomPerFrame: number;
  /** Where the camera looks, as a share of the part: from left to right and from top to bottom. */
  readonly lookAt: readonly [string, string];
  readonly frames: number;
}

const SHOTS: readonly Shot[] = [
  { photograph: 'sample3.jpg', part: '1920:1080:0:0', zoomPerFrame: 0.004, lookAt: ['0.5', '0.3'], frames: 60 },
  // A wall: a stretch without any face.
  { photograph: 'sample1.jpg', part: '480:270:0:0', zoomPerFrame: 0.002, lookAt: ['0.5', '0.5'], frames: 30 },
  { photograph: 'sample6.jpg', part: '1920:1080:0:60', zoomPerFrame: 0.003, lookAt: ['0.3+on/150', '0.3'], frames: 60 },
];

/**
 * Writes `sample.jpg` (four faces) and `sample.mp4` (150 frames of 640x360, 25 a second, H.264: three faces, 1.2 s without
 * a face, four faces) into a folder, which is made if it is missing. Needs ffmpeg with libx264.
 */
export async function makeSample(folder: string): Promise<{ readonly image: string; readonly video: string }> {
  await mkdir(folder, { recursive: true });
  const image = join(folder, 'sample.jpg');
  const video = join(folder, 'sample.mp4');
  await copyFile(join(PHOTOGRAPHS, 'sample6.jpg'), image);
  const inputs = SHOTS.flatMap(({ photograph }) => ['-i', join(PHOTOGRAPHS, photograph)]);
  const moves = SHOTS.map((shot, index) => `[${index}:v]${moveOf(shot)}[shot${index}]`);
  const joined = `${SHOTS.map((_, index) => `[shot${index}]`).join('')}concat=n=${SHOTS.length},format=yuv420p[all]`;
  const graph = ['-filter_complex', [...moves, joined].join(';'), '-map', '[all]'];
  const encoding = ['-c:v', 'libx264', '-crf', '20', '-movflags', '+faststart'];
  await promisify(execFile)('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...inputs, ...graph, ...encoding, video]);
  return { image, video };
}

function moveOf({ part, zoomPerFrame, lookAt: [across, down], frames }: Shot): string {
  const move = [
    `z='1+${zoomPerFrame}*on'`,
    `x='(iw-iw/zoom)*(${across})'`,
    `y='(ih-ih/zoom)*(${down})'`,
    `d=${frames}`,
    `s=${SIZE}`,
    `fps=${FRAMES_PER_SECOND}`,
  ];
  return `crop=${part},zoompan=${move.join(':')},setsar=1`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { image, video } = await makeSample(resolve(process.argv[2] ?? DEFAULT_FOLDER));
  console.log(`${image}\n${video}`);
}
