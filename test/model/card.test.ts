import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readModelCard, readModelFile } from '../../src/model/card.ts';
import { encodeOnnx } from './fixtures/onnx-file.ts';
import { tinyCard, tinyNetwork, writeTinyModel } from './fixtures/tiny-model.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'circumplex-card-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const valid = tinyCard(encodeOnnx(tinyNetwork()));
const input = valid.input as Record<string, unknown>;
const selfCheck = valid.selfCheck as Record<string, unknown>;
const classes = valid.classes as string[];

const BAD_SHAPES: readonly (readonly [field: string, card: unknown])[] = [
  ['card', null],
  ['card', [valid]],
  ['name', { ...valid, name: '' }],
  ['version', { ...valid, version: 1 }],
  ['file', { ...valid, file: '../elsewhere/model.onnx' }],
  ['file', { ...valid, file: '/etc/passwd' }],
  ['file', { ...valid, file: '..' }],
  ['sha256', { ...valid, sha256: 'ABC' }],
  ['licence', { ...valid, licence: undefined }],
  ['input.type', { ...valid, input: { ...input, type: 'float32' } }],
  ['input.layout', { ...valid, input: { ...input, layout: 'NCHW' } }],
  ['input.size', { ...valid, input: { ...input, size: 112.5 } }],
  ['input.size', { ...valid, input: { ...input, size: 100_000 } }],
  ['input.channels', { ...valid, input: { ...input, channels: 'BGR' } }],
  ['outputs.uncertainty', { ...valid, outputs: { affect: 'a', expressions: 'e' } }],
  ['classes', { ...valid, classes: classes.slice(1) }],
  ['classes', { ...valid, classes: classes.toReversed() }],
  ['template.mouthCentre', { ...valid, template: { rightEye: [0.3, 0.4], leftEye: [0.7, 0.4] } }],
  ['template.leftEye', { ...valid, template: { rightEye: [0.3, 0.4], leftEye: [70, 40], mouthCentre: [0.5, 0.8] } }],
  ['selfCheck', { ...valid, selfCheck: undefined }],
  ['selfCheck.input', { ...valid, selfCheck: { ...selfCheck, input: 'noise' } }],
  ['selfCheck.affect', { ...valid, selfCheck: { ...selfCheck, affect: [0.1] } }],
  ['selfCheck.affect', { ...valid, selfCheck: { ...selfCheck, affect: [0.1, 7] } }],
  ['selfCheck.expressions', { ...valid, selfCheck: { ...selfCheck, expressions: [1, 0] } }],
  ['selfCheck.tolerance', { ...valid, selfCheck: { ...selfCheck, tolerance: 0 } }],
  ['selfCheck.tolerance', { ...valid, selfCheck: { ...selfCheck, tolerance: 2 } }],
];

describe('readModelCard', () => {
  it('reads what a model says of itself', async () => {
    await writeTinyModel(folder, { card: { figures: { any: 'further field' } } });
    const card = await readModelCard(folder);
    expect(card.name).toBe('tiny');
    expect(card.template.leftEye).toEqual({ x: 0.7, y: 0.4 });
    expect(card).not.toHaveProperty('figures');
  });

  it.each(BAD_SHAPES)('refuses a card with a bad %s, and names the field (%#)', async (field, card) => {
    await writeFile(join(folder, 'card.json'), JSON.stringify(card));
    await expect(readModelCard(folder)).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining(`${field}`),
    });
  });

  it('says so when the card is no JSON', async () => {
    await writeFile(join(folder, 'card.json'), '{"name": ');
    await expect(readModelCard(folder)).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('is no JSON'),
    });
  });

  it('says where it looked when there is no card', async () => {
    await expect(readModelCard(join(folder, 'nowhere'))).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining(join(folder, 'nowhere', 'card.json')),
    });
  });
});

describe('readModelFile', () => {
  it('gives the bytes whose checksum the card has', async () => {
    await writeTinyModel(folder);
    expect(await readModelFile(folder, await readModelCard(folder))).toHaveLength(encodeOnnx(tinyNetwork()).length);
  });

  it('refuses a file with another checksum', async () => {
    await writeTinyModel(folder);
    const card = await readModelCard(folder);
    await writeFile(join(folder, 'model.onnx'), Buffer.concat([encodeOnnx(tinyNetwork()), Buffer.from([0])]));
    await expect(readModelFile(folder, card)).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('checksum'),
    });
  });

  it('refuses a model without its file', async () => {
    await writeTinyModel(folder);
    const card = { ...(await readModelCard(folder)), file: 'absent.onnx' };
    await expect(readModelFile(folder, card)).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
  });
});
