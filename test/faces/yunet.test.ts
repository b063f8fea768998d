/** The way from a file to faces, with a file of our own: a YuNet in its inputs and outputs that always answers the same. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../scripts/onnx-graph.ts';
import { createFaceFinder } from '../../src/faces/index.ts';
import { YUNET_STRIDES } from '../../src/faces/yunet.ts';
import { TEMPLATE } from './support.ts';

const SIDE = 64;
let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yunet-'));
  file = join(folder, 'fixed.onnx');
  await writeFile(file, alwaysOneFace());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** One face of 32 x 32 pixels whose centre is that of the input, seen by the layer of stride 32. */
function alwaysOneFace(): Uint8Array {
  const graph = new GraphBuilder('yunet');
  graph.input('input', 'float32', [1, 3, SIDE, SIDE]);
  for (const stride of YUNET_STRIDES) {
    const cells = (SIDE / stride) ** 2;
    for (const [name, numbers] of [
      ['cls', 1],
      ['obj', 1],
      ['bbox', 4],
      ['kps', 10],
    ] as const) {
      const values = new Float32Array(cells * numbers);
      if (stride === 32 && (name === 'cls' || name === 'obj')) values[3] = 0.9;
      // The fourth cell begins in the middle of the input; sizes are exponents.
      if (stride === 32 && name === 'kps') values.set([-0.2, -0.2, 0.2, -0.2, 0, 0, -0.1, 0.3, 0.1, 0.3], 3 * numbers);
      const dims = [1, cells, numbers];
      graph.add('Identity', [graph.floats(`${name}_${stride}/value`, dims, values)], `${name}_${stride}`);
      graph.output(`${name}_${stride}`, dims);
    }
  }
  return graph.encode();
}

describe('a YuNet file with one input size', () => {
  test('is told by its outputs, and its face lands in the place where the picture was put', async () => {
    await using finder = await createFaceFinder({ detector: file, template: TEMPLATE });
    expect(finder.name).toBe('yunet');
    const [found, ...others] = await finder.find({ width: 640, height: 320, rgb: new Uint8Array(640 * 320 * 3) });
    expect(others).toEqual([]);
    expect(found!.face.score).toBeCloseTo(0.9, 6);
    // 640 x 320 fills the input's width at a tenth of its size: the box of 32 pixels is 320 wide and all of the height.
    expect(found!.face.box.x).toBeCloseTo(0.25, 6);
    expect(found!.face.box.width).toBeCloseTo(0.5, 6);
    expect(found!.face.box.y).toBeCloseTo(0, 6);
    expect(found!.face.box.height).toBeCloseTo(1, 6);
    expect(found!.face.landmarks.mouthCentre.x).toBeCloseTo(0.5, 6);
    expect(found!.face.landmarks.mouthCentre.y).toBeCloseTo((32 + 0.3 * 32 - 16) / 32, 6);
  });

  test('a file that is missing is ENGINE_UNAVAILABLE and named', async () => {
    const opening = createFaceFinder({ detector: join(folder, 'none.onnx'), template: TEMPLATE });
    await expect(opening).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('none.onnx'),
    });
  });
});
