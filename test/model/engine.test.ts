import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { readModelCard } from '../../src/model/card.ts';
import { createEngine, type Engine } from '../../src/model/engine.ts';
import { encodeOnnx } from './fixtures/onnx-file.ts';
import { plainCrop, tinyAnswer, tinyCard, tinyNetwork, writeTinyModel } from './fixtures/tiny-model.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'circumplex-engine-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function open(provider: 'auto' | 'cpu' | 'cuda' | 'webgpu' = 'cpu'): Promise<Engine> {
  return createEngine({ folder, card: await readModelCard(folder), provider });
}

function packed(...crops: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(crops));
}

describe('createEngine', () => {
  it('reads each crop of a batch, in its order', async () => {
    await writeTinyModel(folder);
    await using engine = await open();
    const colours: readonly (readonly [number, number, number])[] = [
      [250, 10, 0],
      [0, 200, 30],
      [90, 90, 90],
    ];
    const readings = await engine.infer(packed(...colours.map((colour) => plainCrop(...colour))), colours.length);
    expect(readings).toHaveLength(colours.length);
    for (const [index, colour] of colours.entries()) {
      const answer = tinyAnswer(...colour);
      expect(readings[index]!.affect.valence).toBeCloseTo(answer.valence, 5);
      expect(readings[index]!.affect.arousal).toBeCloseTo(answer.arousal, 5);
      expect(readings[index]!.uncertainty).toBeCloseTo(answer.uncertainty, 5);
      expect(readings[index]!.expressions.map((value) => Math.round(value * 1e5))).toEqual(
        answer.expressions.map((value) => Math.round(value * 1e5)),
      );
    }
  });

  it('tells how sure the model is of a face, and is sure of each where the model does not say', async () => {
    await writeTinyModel(folder);
    await using silent = await open();
    expect((await silent.infer(plainCrop(51, 0, 0), 1))[0]!.faceness).toBe(1);
    const model = encodeOnnx(tinyNetwork({ faceness: true }));
    const outputs = { affect: 'affect', expressions: 'expressions', uncertainty: 'uncertainty', faceness: 'faceness' };
    await writeTinyModel(folder, { model, card: { outputs } });
    await using telling = await open();
    const readings = await telling.infer(packed(plainCrop(51, 9, 9), plainCrop(204, 9, 9)), 2);
    expect(readings.map(({ faceness }) => faceness)).toEqual([expect.closeTo(0.2, 5), expect.closeTo(0.8, 5)]);
  });

  it('refuses a card that names an output which the file has not', async () => {
    const outputs = { affect: 'affect', expressions: 'expressions', uncertainty: 'uncertainty', faceness: 'faceness' };
    await writeTinyModel(folder, { card: { outputs } });
    await expect(open()).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('faceness'),
    });
  });

  it('fails a batch whose numbers are not finite, and reads the next one', async () => {
    await writeTinyModel(folder);
    await using engine = await open();
    const failing = engine.infer(packed(plainCrop(9, 9, 9), plainCrop(255, 255, 255)), 2);
    await expect(failing).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    await expect(engine.infer(plainCrop(9, 9, 9), 1)).resolves.toHaveLength(1);
  });

  it('refuses crops of another size than the count says', async () => {
    await writeTinyModel(folder);
    await using engine = await open();
    await expect(engine.infer(plainCrop(1, 2, 3), 2)).rejects.toBeInstanceOf(AppError);
  });

  it('rejects a model whose numbers differ from its card', async () => {
    const { selfCheck } = tinyCard(encodeOnnx(tinyNetwork())) as { selfCheck: { affect: [number, number] } };
    const [valence, arousal] = selfCheck.affect;
    await writeTinyModel(folder, { card: { selfCheck: { ...selfCheck, affect: [valence + 0.0015, arousal] } } });
    await expect(open()).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('self-check'),
    });
  });

  it('rejects a model that mixes up the crops of a batch', async () => {
    await writeTinyModel(folder, { model: encodeOnnx(tinyNetwork({ mixed: true })) });
    await expect(open()).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('self-check'),
    });
  });

  it.each(['uncertainty', 'faceness'])(
    'rejects a model whose %s differs from its card, where that says it',
    async (name) => {
      const model = encodeOnnx(tinyNetwork({ faceness: true }));
      const { selfCheck } = tinyCard(model);
      const outputs = {
        affect: 'affect',
        expressions: 'expressions',
        uncertainty: 'uncertainty',
        faceness: 'faceness',
      };
      const wrong = { ...(selfCheck as object), [name]: 0.9 };
      await writeTinyModel(folder, { model, card: { outputs, selfCheck: wrong } });
      await expect(open()).rejects.toMatchObject({
        code: 'ENGINE_UNAVAILABLE',
        message: expect.stringContaining('self-check'),
      });
      await writeTinyModel(folder, { model, card: { outputs } });
      await using _engine = await open();
    },
  );

  it.each([
    ['another input size', { size: 20 }, '[batch, 16, 16, 3]'],
    ['a fixed batch', { batch: 1 }, 'a batch of any length'],
  ])('rejects a model with %s', async (_, changes, expected) => {
    await writeTinyModel(folder, { model: encodeOnnx(tinyNetwork(changes)) });
    await expect(open()).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining(expected),
    });
  });

  it('rejects a card that names an output which the model has not', async () => {
    await writeTinyModel(folder, {
      card: { outputs: { affect: 'mood', expressions: 'expressions', uncertainty: 'uncertainty' } },
    });
    await expect(open()).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('a float32 output mood'),
    });
  });

  it('rejects a file that is no network', async () => {
    await writeTinyModel(folder, { model: new TextEncoder().encode('no network') });
    await expect(open()).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
  });

  it('can be ended twice', async () => {
    await writeTinyModel(folder);
    const engine = await open();
    await engine[Symbol.asyncDispose]();
    await expect(engine[Symbol.asyncDispose]()).resolves.toBeUndefined();
  });
});
