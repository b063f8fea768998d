import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AppError } from '../errors.ts';
import { scriptLaunch } from '../flow/index.ts';

/** Devices that can run the network, the one to be preferred first. */
export const PROVIDERS = ['cuda', 'webgpu', 'cpu'] as const;
export type Provider = (typeof PROVIDERS)[number];
export type ProviderChoice = Provider | 'auto';

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

/**
 * The provider to use: the asked one, or for `auto` the first of {@link PROVIDERS} that works. `cpu` is taken without a
 * try in a child: it is always there, and the engine checks its numbers anyway.
 * Errors: ENGINE_UNAVAILABLE when the asked one does not work, ABORTED.
 */
export async function chooseProvider(
  choice: ProviderChoice,
  options: { readonly folder: string; readonly signal?: AbortSignal | undefined },
): Promise<Provider> {
  if (choice === 'cpu') return 'cpu';
  if (choice === 'auto') {
    const results = await Promise.all(
      PROVIDERS.filter((provider) => provider !== 'cpu').map((provider) => probeProvider(provider, options)),
    );
    return results.find((result) => result.usable)?.provider ?? 'cpu';
  }
  const result = await probeProvider(choice, options);
  if (result.usable) return choice;
  throw new AppError(
    'ENGINE_UNAVAILABLE',
    `The provider ${choice} cannot be used: ${result.reason}. ${ADVICE[choice]} Or set ENGINE_PROVIDER to auto or cpu.`,
  );
}

const ADVICE: Readonly<Record<Exclude<Provider, 'cpu'>, string>> = {
  cuda:
    'It needs an NVIDIA driver, CUDA 12, cuDNN 9 and their libraries for onnxruntime ' +
    '(ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install).',
  webgpu: 'It needs a graphics card whose driver offers Vulkan 1.2 or newer (Direct3D 12 on Windows, Metal on macOS).',
};

function aborted(signal: AbortSignal | undefined): AppError {
  return new AppError('ABORTED', 'The start of the inference engine was ended.', { cause: signal?.reason });
}
