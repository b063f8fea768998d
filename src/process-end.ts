/** How the process learns that it has to end, and what happens when it does not manage to in time. */

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;
type EndSignal = keyof typeof SIGNAL_NUMBERS;

/** A terminal sends Ctrl-C to npm and to us, and npm passes its own on: one wish that arrives twice. */
const SAME_WISH_MS = 500;

export interface ProcessEnd extends Disposable {
  /** Fires at the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Resolves when {@link ProcessEnd.signal} fires. */
  readonly reached: Promise<void>;
  /** 128 plus the number of the signal, as a shell reports it; 0 before one came. */
  readonly exitCode: number;
}

/**
 * Listens for the signals until it is disposed of. The first one asks for an orderly end; a second one (half a second later
 * or more), or the end of `limitSeconds` after the first, ends the process at once, and `onHardEnd` is told why just before.
 */
export function listenForEnd(options: {
  readonly limitSeconds: number;
  readonly onHardEnd: (reason: string) => void;
}): ProcessEnd {
  const { limitSeconds, onHardEnd } = options;
  const controller = new AbortController();
  let exitCode = 0;
  let timer: NodeJS.Timeout | undefined;
  let firstAtMs = 0;

  function hardEnd(reason: string): void {
    onHardEnd(reason);
    process.exit(exitCode);
  }

  function onSignal(name: EndSignal): void {
    if (controller.signal.aborted) {
      if (performance.now() - firstAtMs < SAME_WISH_MS) return;
      hardEnd('a second signal came');
      return;
    }
    exitCode = 128 + SIGNAL_NUMBERS[name];
    firstAtMs = performance.now();
    timer = setTimeout(() => hardEnd(`the end took longer than ${limitSeconds} s`), limitSeconds * 1000);
    // The limit alone must not keep a process alive that is done.
    timer.unref();
    controller.abort();
  }

  const names = Object.keys(SIGNAL_NUMBERS) as EndSignal[];
  for (const name of names) process.on(name, onSignal);
  return {
    signal: controller.signal,
    reached: new Promise((resolve) => controller.signal.addEventListener('abort', () => resolve(), { once: true })),
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const name of names) process.off(name, onSignal);
    },
  };
}
