import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { readModelCard } from '../../src/model/card.ts';
import { createEngine } from '../../src/model/engine.ts';
import { chooseProvider, PROVIDERS, probeProvider } from '../../src/model/providers.ts';
import { encodeOnnx } from './fixtures/onnx-file.ts';
import { tinyCard, tinyNetwork, writeTinyModel } from './fixtures/tiny-model.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'circumplex-providers-'));
  await writeTinyModel(folder);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('probeProvider', () => {
  it('finds that the cpu can run a model', async () => {
    expect(await probeProvider('cpu', { folder })).toEqual({ provider: 'cpu', usable: true });
  });

  it('finds that TensorFlow.js can run a model on the processor', async () => {
    expect(await probeProvider('tensorflow-wasm', { folder })).toEqual({ provider: 'tensorflow-wasm', usable: true });
  });

  it('finds that a model with other numbers cannot be used', async () => {
    const { selfCheck } = tinyCard(encodeOnnx(tinyNetwork())) as { selfCheck: object };
    await writeTinyModel(folder, { card: { selfCheck: { ...selfCheck, affect: [-0.9, -0.9] } } });
    expect(await probeProvider('cpu', { folder })).toMatchObject({
      usable: false,
      reason: expect.stringContaining('self-check'),
    });
  });

  it('gives up on a try that takes too long', async () => {
    expect(await probeProvider('cpu', { folder, timeoutMs: 1 })).toEqual({
      provider: 'cpu',
      usable: false,
      reason: 'its try took too long',
    });
  });

  it('ends with its signal', async () => {
    const controller = new AbortController();
    const probing = probeProvider('cpu', { folder, signal: controller.signal });
    controller.abort();
    await expect(probing).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(probeProvider('cpu', { folder, signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

describe('chooseProvider', () => {
  it('takes the first provider that works, whatever the machine has', async () => {
    await using engine = await createEngine({ folder, card: await readModelCard(folder), provider: 'auto' });
    for (const provider of PROVIDERS.onnxruntime) {
      if (provider === engine.provider) break;
      expect(await probeProvider(provider, { folder })).toMatchObject({ usable: false });
    }
  });

  it.each(['cuda', 'webgpu'] as const)(
    'uses %s when it is asked for and works, else says what to do',
    async (provider) => {
      const chosen = await chooseProvider(provider, { engine: 'onnxruntime', folder }).catch(
        (thrown: unknown) => thrown,
      );
      if (!(chosen instanceof AppError)) return expect(chosen).toEqual({ provider, refusals: [] });
      expect(chosen).toMatchObject({
        code: 'ENGINE_UNAVAILABLE',
        message: expect.stringMatching(new RegExp(`${provider} cannot be used: .+ENGINE_PROVIDER to auto or cpu`)),
      });
    },
  );

  it('takes the graphics card for tensorflow where it has one, else the processor', async () => {
    const gpu = await probeProvider('tensorflow-gpu', { folder });
    const chosen = await chooseProvider('auto', { engine: 'tensorflow', folder });
    expect(chosen).toEqual(
      gpu.usable
        ? { provider: 'tensorflow-gpu', refusals: [] }
        : { provider: 'tensorflow-wasm', refusals: [`tensorflow-gpu: ${gpu.reason}`] },
    );
  });

  it.each(['cpu', 'tensorflow-wasm'] as const)('takes %s for tensorflow without a try', async (choice) => {
    expect(await chooseProvider(choice, { engine: 'tensorflow', folder: 'nowhere' })).toEqual({
      provider: 'tensorflow-wasm',
      refusals: [],
    });
  });

  it('says how tensorflow gets to a graphics card when it is asked for one and cannot', async () => {
    const chosen = await chooseProvider('cuda', { engine: 'tensorflow', folder }).catch((thrown: unknown) => thrown);
    if (!(chosen instanceof AppError)) return expect(chosen).toMatchObject({ provider: 'tensorflow-gpu' });
    expect(chosen).toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringMatching(/tensorflow-gpu cannot be used: .+CUDA 11\.2.+npm run install:tensorflow-gpu/),
    });
  });

  it.each([
    ['tensorflow', 'webgpu'],
    ['onnxruntime', 'tensorflow-wasm'],
  ] as const)('refuses for %s the provider %s, which it has not', async (engine, choice) => {
    await expect(chooseProvider(choice, { engine, folder })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining(`${engine} has no provider ${choice}`),
    });
  });
});
