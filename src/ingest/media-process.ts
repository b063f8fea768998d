/** A running ffmpeg or ffprobe: without the server's environment, under limits, ended for certain, its complaints bounded. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { AppError } from '../errors.ts';
import { Complaints } from './complaints.ts';
import { isOnPath, limitedCommand, limitHit, type MediaExit, type MediaLimits } from './media-limits.ts';

export interface MediaProcessOptions {
  readonly limits: MediaLimits;
  /** Opens descriptor 3 of the process as a second output. */
  readonly sidePipe?: boolean;
  /** Told of each line of its standard error, as it comes. Must not throw. */
  readonly onLine?: (line: string) => void;
  /** Kills the process when it fires. */
  readonly signal?: AbortSignal;
}

interface Pipes {
  readonly output: Readable;
  readonly side: Readable | null;
}

/** ffmpeg and ffprobe processes of this process, whoever owns them. */
export interface MediaProcessCounts {
  /** Started and not gone yet. */
  readonly running: number;
  /** Since the start of the program. */
  readonly started: number;
}

/** The one count of the program: an operator wants to know of every child, and each is started in this file. */
const counts = { running: 0, started: 0 };

export function mediaProcessCounts(): MediaProcessCounts {
  return { ...counts };
}

export class MediaProcess implements AsyncDisposable {
  readonly output: Readable;
  /** Descriptor 3; `null` where it was not asked for. */
  readonly side: Readable | null;
  readonly complaints: Complaints;
  /** Settles, never rejects, when the process is gone and everything it wrote has been read or thrown away. */
  readonly closed: Promise<MediaExit>;
  /** Settles, never rejects, when the process is gone, whatever of its output is still unread. */
  readonly exited: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #limits: MediaLimits;
  readonly #startedAtMs = performance.now();
  #endedAtMs = Number.NaN;

  private constructor(child: ChildProcess, pipes: Pipes, { limits, onLine }: MediaProcessOptions) {
    const { output, side } = pipes;
    this.#child = child;
    this.#limits = limits;
    this.complaints = new Complaints(onLine);
    this.output = output;
    this.side = side;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.complaints.add(text));
    // Node throws away what a process leaves in pipes that nobody reads yet when it exits; a listener keeps it.
    for (const pipe of [output, side]) pipe?.on('readable', nothing).on('error', nothing);
    this.exited = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
    child.once('exit', () => {
      this.#endedAtMs = performance.now();
    });
    this.closed = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.complaints.end();
        resolve({ code, signal });
      });
    });
  }

  /** Starts a program found on PATH. Errors: FFMPEG_MISSING, OVERLOADED, ABORTED. */
  static async start(
    program: 'ffmpeg' | 'ffprobe',
    args: readonly string[],
    options: MediaProcessOptions,
  ): Promise<MediaProcess> {
    const { sidePipe = false, signal } = options;
    if (!(await isOnPath(program))) throw notStarted(program);
    if (signal?.aborted) throw aborted(signal);
    const [command, ...words] = limitedCommand(program, args, options.limits);
    const child = spawn(command!, words, {
      stdio: ['ignore', 'pipe', 'pipe', sidePipe ? 'pipe' : 'ignore'],
      // Its input is hostile until proven otherwise; keys and addresses of the server are none of its business.
      env: { PATH: process.env.PATH },
      windowsHide: true,
    });
    // Without descriptors Node tells of it by an event alone, and makes no pipes: `spawn` below has it too.
    child.once('error', nothing);
    const { stdout = null } = child;
    if (stdout === null) throw notStarted(program, await failureOf(child));
    const running = new MediaProcess(
      child,
      { output: stdout, side: sidePipe ? (child.stdio[3] as Readable) : null },
      options,
    );
    try {
      await once(child, 'spawn');
    } catch (cause) {
      throw notStarted(program, cause);
    }
    counts.started += 1;
    counts.running += 1;
    void running.exited.then(() => {
      counts.running -= 1;
    });
    if (signal !== undefined) {
      const kill = (): void => running.kill();
      signal.addEventListener('abort', kill, { once: true });
      void running.exited.then(() => signal.removeEventListener('abort', kill));
      if (signal.aborted) kill();
    }
    return running;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Bytes that came out of `output` so far. */
  get outputBytes(): number {
    return (this.output as Readable & { readonly bytesRead: number }).bytesRead;
  }

  /** MEDIA_TOO_COSTLY where a process that has ended, killed by none of us, ran into one of its limits. */
  limitHit(exit: MediaExit): AppError | null {
    return limitHit({
      limits: this.#limits,
      exit,
      elapsedSeconds: (this.#endedAtMs - this.#startedAtMs) / 1000,
      complaints: this.complaints.text(),
    });
  }

  /** Does not wait. ffmpeg answers SIGTERM only between two packets, and not at all while its output is blocked. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Kills the process if it runs, waits until it is gone, and throws away what it wrote. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    this.output.destroy();
    this.side?.destroy();
    await this.exited;
  }
}

export function aborted(signal: AbortSignal): AppError {
  if (signal.reason instanceof AppError) return signal.reason;
  return new AppError('ABORTED', 'The work on the medium was ended before it was done.', { cause: signal.reason });
}

async function failureOf(child: ChildProcess): Promise<unknown> {
  const [cause] = await once(child, 'error');
  return cause;
}

function notStarted(program: string, cause?: unknown): AppError {
  const code = (cause as { readonly code?: unknown } | undefined)?.code;
  if (code === 'EAGAIN' || code === 'EMFILE' || code === 'ENFILE') {
    return new AppError('OVERLOADED', 'The system has no room for another process; try again later.', { cause });
  }
  return new AppError('FFMPEG_MISSING', `${program} cannot be started; install ffmpeg 5.1 or later on PATH.`, {
    cause,
  });
}

function nothing(): void {}
