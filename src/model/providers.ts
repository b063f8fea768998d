import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AppError } from '../errors.ts';
import { joinSignals, scriptLaunch } from '../flow/index.ts';

/**
 * What can run the network, by engine, the one to be preferred first. The last one is there on every machine. Names say
 * the engine too where it is not onnxruntime.
 */
export const PROVIDERS = {
  onnxruntime: ['cuda', 'webgpu', 'cpu'],
  tensorflow: ['tensorflow-gpu', 'tensorflow-wasm'],
} as const;
export type EngineName = keyof typeof PROVIDERS;
export type Provider = (typeof PROVIDERS)[EngineName][number];
/** A device by name must work; `auto` takes the engine's first one that does. `cpu` and `cuda` mean either engine's own. */
export type ProviderChoice = Provider | 'auto';

/** Devices that several workers use side by side, each with a thread of its own. A graphics card has one owner. */
const ON_PROCESSOR: ReadonlySet<Provider> = new Set(['cpu', 'tensorflow-wasm']);

export function usesGraphicsCard(provider: Provider): boolean {
  return !ON_PROCESSOR.has(provider);
}

/** What a try of one provider showed; `reason` says in words why it cannot be used. */
export type ProbeResult =
  | { readonly provider: Provider; readonly usable: true }
  | { readonly provider: Provider; readonly usable: false; readonly reason: string };

/** What the probing process sends; anything else counts as a failure. */
export type ProbeReply = { readonly usable: true } | { readonly usable: false; readonly reason: string };

/** A first start of CUDA loads over a gigabyte of libraries; a driver that hangs must not stop the server's start for ever. */
const PROBE_TIMEOUT_MS = 60_000;

/**
 * Tries a provider in a process of its own: loads the model there and runs the self-check.
 *
 * An absent device is not only an exception: onnxruntime and the graphics drivers write to standard error from native
 * code, may hang, and a broken driver ends the process. None of it reaches us from a child that is thrown away.
 * Resolves for whatever happens to the child; rejects with ABORTED alone. Here (no graphics card): cuda 0.6 s, webgpu 0.8 s.
 */
export async function probeProvider(
  provider: Provider,
  options: { readonly folder: string; readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined },
): Promise<ProbeResult> {
  if (options.signal?.aborted === true) throw aborted(options.signal);
  const { url, execArgv } = scriptLaunch('./probe', import.meta.url);
  const child = fork(fileURLToPath(url), [options.folder, provider], {
    execArgv,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  try {
    return await new Promise<ProbeResult>((resolve, reject) => {
      const unusable = (reason: string): void => resolve({ provider, usable: false, reason });
      child.once('message', (reply: ProbeReply) => {
        if (reply.usable) resolve({ provider, usable: true });
        else unusable(reply.reason);
      });
      child.once('error', (thrown) => unusable(thrown.message));
      child.once('exit', (code, signal) => unusable(`its try ended early (${signal ?? `exit code ${code}`})`));
      timer = setTimeout(() => unusable('its try took too long'), options.timeoutMs ?? PROBE_TIMEOUT_MS);
      stop = () => reject(aborted(options.signal));
      options.signal?.addEventListener('abort', stop, { once: true });
    });
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) options.signal?.removeEventListener('abort', stop);
    child.kill('SIGKILL');
  }
}

export interface ChosenProvider {
  readonly provider: Provider;
  /** Why those that `auto` would have preferred cannot be used, a sentence each. */
  readonly refusals: readonly string[];
}

/**
 * The provider to use: the asked one, or for `auto` the first of the engine's {@link PROVIDERS} that works. What runs on
 * the processor is taken without a try in a child: it is always there, and the engine checks its numbers anyway.
 * Errors: ENGINE_UNAVAILABLE when the asked one does not work or is none of the engine's, ABORTED.
 */
export async function chooseProvider(
  choice: ProviderChoice,
  options: { readonly engine: EngineName; readonly folder: string; readonly signal?: AbortSignal | undefined },
): Promise<ChosenProvider> {
  const providers: readonly Provider[] = PROVIDERS[options.engine];
  const onProcessor = providers.at(-1)!;
  if (choice === 'auto') return firstUsable(providers.filter(usesGraphicsCard), onProcessor, options);
  const asked = options.engine === 'tensorflow' ? (TENSORFLOW_NAMES[choice] ?? choice) : choice;
  if (!providers.includes(asked)) {
    throw new AppError(
      'ENGINE_UNAVAILABLE',
      `The engine ${options.engine} has no provider ${choice}. Set ENGINE_PROVIDER to auto, cpu or cuda, or choose another ENGINE.`,
    );
  }
  if (asked === onProcessor) return { provider: asked, refusals: [] };
  const result = await probeProvider(asked, options);
  if (result.usable) return { provider: asked, refusals: [] };
  throw new AppError(
    'ENGINE_UNAVAILABLE',
    `The provider ${asked} cannot be used: ${result.reason}. ${ADVICE[asked] ?? ''} Or set ENGINE_PROVIDER to auto or cpu.`,
  );
}

/** Tries all at once, and waits for none behind the first that works. */
async function firstUsable(
  preferred: readonly Provider[],
  otherwise: Provider,
  { folder, signal }: { readonly folder: string; readonly signal?: AbortSignal | undefined },
): Promise<ChosenProvider> {
  const chosen = new AbortController();
  using joined = joinSignals(signal === undefined ? [chosen.signal] : [chosen.signal, signal]);
  const tries = preferred.map((provider) => probeProvider(provider, { folder, signal: joined.signal }));
  // Those that nobody waits for end with the signal.
  for (const one of tries) one.catch(() => undefined);
  const refusals: string[] = [];
  try {
    for (const one of tries) {
      const result = await one;
      if (result.usable) return { provider: result.provider, refusals };
      refusals.push(`${result.provider}: ${result.reason}`);
    }
    return { provider: otherwise, refusals };
  } finally {
    chosen.abort();
  }
}

/** Whoever sets ENGINE_PROVIDER names a device, whatever the engine calls it. */
const TENSORFLOW_NAMES: Readonly<Partial<Record<Provider, Provider>>> = {
  cuda: 'tensorflow-gpu',
  cpu: 'tensorflow-wasm',
};

const ADVICE: Readonly<Partial<Record<Provider, string>>> = {
  cuda:
    'It needs an NVIDIA driver, CUDA 12, cuDNN 9 and their libraries for onnxruntime ' +
    '(ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install).',
  webgpu: 'It needs a graphics card whose driver offers Vulkan 1.2 or newer (Direct3D 12 on Windows, Metal on macOS).',
  'tensorflow-gpu':
    'It needs an NVIDIA driver, CUDA 11.2, cuDNN 8.1, Node older than 23 and the package @tensorflow/tfjs-node-gpu ' +
    '(npm run install:tensorflow-gpu).',
};

function aborted(signal: AbortSignal | undefined): AppError {
  return new AppError('ABORTED', 'The start of the inference engine was ended.', { cause: signal?.reason });
}
