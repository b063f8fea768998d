/** The server: everything below the transports, then the transports. */
import type { Config } from './config.ts';
import { ClosingStack } from './flow/index.ts';
import { startServer as startGraphql } from './graphql/index.ts';
import { type StartOptions, startPipeline } from './start-pipeline.ts';

export interface RunningServer extends AsyncDisposable {
  /** Address of the GraphQL endpoint. */
  readonly url: string;
}

/**
 * Starts everything and resolves once requests are answered. Errors: those of `startPipeline`, and CONFIG_INVALID when
 * the address is in use.
 */
export async function startServer(config: Config, options: StartOptions): Promise<RunningServer> {
  const parts = new ClosingStack();
  try {
    const { pipeline, store, keyring } = parts.own(await startPipeline(config, options));
    const { url } = parts.own(await startGraphql({ config, pipeline, store, keyring, log: options.log }));
    return { url, [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() };
  } catch (thrown) {
    await parts[Symbol.asyncDispose]();
    throw thrown;
  }
}
