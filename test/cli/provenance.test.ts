import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  identityOf,
  isFinished,
  type Maker,
  type Provenance,
  shapingSettings,
  sidecarOf,
  writeSidecar,
} from '../../src/cli/provenance.ts';
import type { Sampling } from '../../src/domain.ts';
import { temporaryFolder, testConfig } from '../pipeline/support.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let place: { readonly path: string; readonly output: string };

const maker: Maker = {
  program: { name: 'circumplex', version: '1.2.3' },
  model: { name: 'a model', version: '1', sha256: 'ab'.repeat(32) },
  detector: { name: 'a detector' },
  engine: { name: 'onnxruntime', provider: 'cpu' },
};
const sampling: Sampling = { kind: 'RATE', framesPerSecond: 5 };
const config = testConfig('/nowhere');
const wanted = { maker, config, sampling };

beforeEach(async () => {
  folder = await temporaryFolder();
  place = { path: join(folder.path, 'in.mp4'), output: join(folder.path, 'in.mp4.csv') };
  await writeFile(place.path, 'a video');
  await writeFile(place.output, 'rows');
  await writeSidecar(place.output, await provenanceOf('video'));
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

async function provenanceOf(kind: 'picture' | 'video'): Promise<Provenance> {
  const { sizeBytes, modifiedAt } = (await identityOf(place.path))!;
  const made = {
    kind,
    settings: shapingSettings(kind, config, sampling),
    ffmpegVersion: null,
    warnings: [],
    error: null,
  };
  const input = { file: 'in.mp4', sizeBytes, modifiedAt, ...made, frames: 2, faces: 3 };
  return { ...maker, format: 'csv', startedAt: new Date(), endedAt: new Date(), inputs: [input] };
}

describe('an output', () => {
  it('is finished when it and its sidecar are there and agree with what is wanted', async () => {
    expect(await isFinished(place, wanted)).toBe(true);
  });

  it('stays finished under another version of the program and another provider', async () => {
    const other = { ...maker, program: { name: 'circumplex', version: '9' } as const };
    const engine = { name: 'tensorflow', provider: 'tensorflow-wasm' };
    expect(await isFinished(place, { ...wanted, maker: { ...other, engine } })).toBe(true);
  });

  it.each([
    ['it is gone', () => rm(place.output)],
    ['it is a folder', () => rm(place.output).then(() => mkdir(place.output))],
    ['its sidecar is gone', () => rm(sidecarOf(place.output))],
    ['its sidecar is half a file', () => writeFile(sidecarOf(place.output), '{"model":')],
    ['its sidecar is something else', () => writeFile(sidecarOf(place.output), '{"model":{"sha256":1},"inputs":[{}]}')],
    ['the input has another length', () => writeFile(place.path, 'a longer video')],
    ['the input is gone', () => rm(place.path)],
    ['the input was changed later', () => utimes(place.path, new Date(), new Date(Date.now() + 2000))],
    ['it holds several inputs', () => provenanceOf('video').then((one) => doubled(one))],
  ])('is not finished when %s', async (_, change) => {
    await change();
    expect(await isFinished(place, wanted)).toBe(false);
  });

  it.each([
    ['model', { maker: { ...maker, model: { ...maker.model, sha256: 'cd'.repeat(32) } } }],
    ['detector', { maker: { ...maker, detector: { name: 'another' } } }],
    ['rate', { sampling: { kind: 'RATE', framesPerSecond: 6 } as const }],
    ['kind of sampling', { sampling: { kind: 'EVERY_FRAME' } as const }],
    ['smoothing', { config: { ...config, smoothingSeconds: 0.6 } }],
    ['time out of sight', { config: { ...config, trackMissSeconds: 2 } }],
    ['least faceness', { config: { ...config, minFaceness: 0 } }],
    ['side of frames', { config: { ...config, maxFrameSidePixels: 640 } }],
  ])('is not finished for another %s', async (_, change) => {
    expect(await isFinished(place, { ...wanted, ...change })).toBe(false);
  });

  it('of a picture does not depend on what only videos use', async () => {
    await writeSidecar(place.output, await provenanceOf('picture'));
    const ofVideos = { ...config, smoothingSeconds: 9, trackMissSeconds: 9, maxFrameSidePixels: 640 };
    expect(await isFinished(place, { maker, config: ofVideos, sampling: { kind: 'EVERY_FRAME' } })).toBe(true);
    const ofPictures = { ...config, maxImageSidePixels: 640 };
    expect(await isFinished(place, { ...wanted, config: ofPictures })).toBe(false);
  });
});

async function doubled(provenance: Provenance): Promise<void> {
  await writeSidecar(place.output, { ...provenance, inputs: [...provenance.inputs, ...provenance.inputs] });
}
