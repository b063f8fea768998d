/** A progress bar on standard error, for people: silent where no terminal is. */
import { SingleBar } from 'cli-progress';

export interface FileProgress extends Disposable {
  /** `seconds` of the medium are done. */
  update(seconds: number): void;
}

export interface ErrorTerminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

/** A bar for one video; `durationSeconds` is `null` where nobody knows it, and then no bar is drawn. */
export function showProgress(
  stderr: ErrorTerminal,
  options: { readonly label: string; readonly durationSeconds: number | null },
): FileProgress {
  const { label, durationSeconds } = options;
  if (stderr.isTTY !== true || durationSeconds === null || durationSeconds <= 0) {
    return { update: () => undefined, [Symbol.dispose]: () => undefined };
  }
  const bar = new SingleBar({
    stream: stderr,
    format: '{label} [{bar}] {percentage}% | {seconds} of {duration} s | {speed}x | {eta_formatted} left',
    clearOnComplete: true,
    hideCursor: true,
    // The command has its own ending on Ctrl-C; the bar must not end the process before that.
    gracefulExit: false,
  });
  const beganAtMs = performance.now();
  const total = Math.max(1, Math.ceil(durationSeconds));
  bar.start(total, 0, { label, seconds: 0, duration: total, speed: '0.0' });
  return {
    update(seconds) {
      const done = Math.min(total, Math.max(0, seconds));
      const speed = (done / Math.max(0.001, (performance.now() - beganAtMs) / 1000)).toFixed(1);
      bar.update(done, { seconds: done.toFixed(0), speed });
    },
    [Symbol.dispose]: () => bar.stop(),
  };
}
