/** The library `@vladmandic/human` in Node, on tfjs's WebAssembly backend, with face detection and emotion alone. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RgbImage } from '../src/domain.ts';

interface Tensor {
  readonly shape: readonly number[];
}

/** The few methods that are used here; the package's own types pull in those of all of tfjs. */
interface Human {
  readonly tf: {
    tensor(values: Uint8Array, shape: readonly number[], type: 'int32'): Tensor;
    dispose(tensor: Tensor): void;
    getBackend(): string;
  };
  load(): Promise<void>;
  detect(input: Tensor): Promise<{ readonly face: readonly { readonly emotion?: readonly unknown[] }[] }>;
}

const PACKAGES = new URL('../node_modules/', import.meta.url);

/** Loads the library and its models. Its `countFaces` scores one picture and resolves with the number of faces. */
export async function openHuman(): Promise<{ readonly countFaces: (image: RgbImage) => Promise<number> }> {
  // By path, because the package's map of exports leads Node to the variant with a native binding of its own.
  const file = fileURLToPath(new URL('@vladmandic/human/dist/human.node-wasm.js', PACKAGES));
  const { Human } = createRequire(import.meta.url)(file) as { Human: new (config: object) => Human };
  await using models = await serveModels();
  const off = { enabled: false };
  const human = new Human({
    backend: 'wasm',
    wasmPath: fileURLToPath(new URL('@tensorflow/tfjs-backend-wasm/dist/', PACKAGES)),
    modelBasePath: models.url,
    debug: false,
    async: true,
    // Every frame is looked at anew; otherwise the library answers from the frame before.
    cacheSensitivity: 0,
    filter: off,
    face: {
      enabled: true,
      detector: { enabled: true, rotation: false, maxDetected: 10, minConfidence: 0.5, skipFrames: 0, skipTime: 0 },
      emotion: { enabled: true, skipFrames: 0, skipTime: 0 },
      mesh: off,
      attention: off,
      iris: off,
      description: off,
      antispoof: off,
      liveness: off,
    },
    body: off,
    hand: off,
    object: off,
    gesture: off,
    segmentation: off,
  });
  await human.load();
  return {
    countFaces: async ({ rgb, width, height }) => {
      const tensor = human.tf.tensor(rgb, [1, height, width, 3], 'int32');
      try {
        const { face } = await human.detect(tensor);
        if (human.tf.getBackend() !== 'wasm') throw new Error('The library fell back from the WebAssembly backend.');
        return face.length;
      } finally {
        human.tf.dispose(tensor);
      }
    },
  };
}

/** The library fetches its models, and Node fetches no file: addresses; so they come from a loopback server. */
async function serveModels(): Promise<AsyncDisposable & { readonly url: string }> {
  const folder = new URL('@vladmandic/human/models/', PACKAGES);
  const server = createServer((request, response) => {
    const file = createReadStream(new URL(basename(request.url ?? ''), folder));
    file.on('error', () => response.writeHead(404).end());
    file.pipe(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
