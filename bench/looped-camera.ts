/** Live sources that cost next to nothing to feed: a clip is encoded once, and then only sent. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, Running } from '../test/faults/fixtures/sources.ts';

export const FRAMES_PER_SECOND = 5;
const CLIP_SECONDS = 20;
const PHOTOGRAPH = fileURLToPath(new URL('../node_modules/@vladmandic/face-api/demo/sample1.jpg', import.meta.url));

/** A part of a photograph with one face, the camera moving a little: 640x360, 5 frames a second, H.264. */
export async function makeClip(path: string): Promise<void> {
  const part = `crop=640:360:x='1250+8*sin(n)':y='160+4*cos(n)',format=yuv420p`;
  const input = ['-nostdin', '-v', 'error', '-y', '-loop', '1', '-framerate', String(FRAMES_PER_SECOND)];
  const encode = ['-c:v', 'libx264', '-preset', 'veryfast', '-tune', 'zerolatency', '-g', String(FRAMES_PER_SECOND)];
  const words = [...input, '-i', PHOTOGRAPH, '-vf', part, '-t', String(CLIP_SECONDS), ...encode, path];
  await promisify(execFile)('ffmpeg', words);
}

/** Sends a clip over RTMP again and again, in its own time, to one client after another. */
export class LoopedCamera implements AsyncDisposable {
  readonly url: string;
  readonly #clip: string;
  #running: Running | null = null;
  #open = true;

  static async start(clip: string): Promise<LoopedCamera> {
    return new LoopedCamera(clip, await freePort());
  }

  private constructor(clip: string, port: number) {
    this.#clip = clip;
    this.url = `rtmp://127.0.0.1:${port}/live/camera`;
    this.#serve();
  }

  #serve(): void {
    const source = ['-nostdin', '-v', 'error', '-re', '-stream_loop', '-1', '-i', this.#clip];
    this.#running = new Running('ffmpeg', [...source, '-c', 'copy', '-f', 'flv', '-listen', '1', this.url]);
    // It ends with its client.
    void this.#running.gone.then(() => {
      if (this.#open) setTimeout(() => this.#open && this.#serve(), 50);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open = false;
    await this.#running?.[Symbol.asyncDispose]();
  }
}
