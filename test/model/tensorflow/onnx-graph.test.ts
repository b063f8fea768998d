import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../scripts/onnx-graph.ts';
import { AppError } from '../../../src/errors.ts';
import { type OnnxGraph, readOnnx } from '../../../src/model/tensorflow/onnx-graph.ts';
import { ATTRIBUTE, ELEMENT, OnnxModel } from '../../../src/model/tensorflow/onnx-messages.ts';

const PORT = { name: 'y', type: { tensor_type: { elem_type: ELEMENT.FLOAT, shape: { dim: [] } } } };
const WITHOUT_NODES = { node: [], initializer: [], input: [], output: [] };

/** A file of the given graph, which need make no sense. */
function fileOf(graph: object, opset = 17, domain = ''): Uint8Array {
  return OnnxModel.encode(
    OnnxModel.fromObject({ ir_version: 8, opset_import: [{ domain, version: opset }], graph }),
  ).finish();
}

function constants(initializer: readonly object[]): OnnxGraph['constants'] {
  return readOnnx(fileOf({ ...WITHOUT_NODES, initializer })).constants;
}

function refusal(file: Uint8Array): AppError {
  try {
    readOnnx(file);
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error('the file was read');
}

describe('readOnnx', () => {
  it('reads the model of the repository: one input, outputs of its card, weights', async () => {
    const { inputs, outputs, nodes, constants } = readOnnx(await readFile('models/affect/model.onnx'));
    const card = JSON.parse(await readFile('models/affect/card.json', 'utf8')) as {
      input: { name: string; size: number };
      outputs: Record<string, string>;
      parameters: number;
    };
    const { name, size } = card.input;
    expect(inputs).toEqual([{ name, element: 'uint8', shape: [null, size, size, 3] }]);
    expect(outputs.map((port) => port.name)).toEqual(expect.arrayContaining(Object.values(card.outputs)));
    expect(nodes.some(({ operator }) => operator === 'Constant')).toBe(false);
    const weights = [...constants.values()].filter(({ kind }) => kind === 'floats');
    const numbers = weights.reduce((sum, { values }) => sum + values.length, 0);
    // Nearly all: the export folds the normalisations into the convolutions and leaves out heads of training alone.
    expect(numbers / card.parameters).toBeGreaterThan(0.9);
    expect(numbers / card.parameters).toBeLessThan(1.1);
  });

  it('reads every way to write settings down', () => {
    const graph = new GraphBuilder('test');
    graph.input('x', 'float32', ['batch', 3]);
    graph.output('y', ['batch', 3]);
    graph.add('Any', ['x', ''], ['y', 'z'], { whole: -3, list: [1, -2], part: { float: 0.5 }, text: 'half_pixel' });
    const { nodes, inputs } = readOnnx(graph.encode());
    expect(inputs).toEqual([{ name: 'x', element: 'float32', shape: [null, 3] }]);
    expect(nodes).toHaveLength(1);
    expect(nodes[0]).toMatchObject({ operator: 'Any', inputs: ['x', ''], outputs: ['y', 'z'] });
    expect(Object.fromEntries(nodes[0]!.attributes)).toEqual({
      whole: -3,
      list: [1, -2],
      part: 0.5,
      text: 'half_pixel',
    });
  });

  it('reads numbers wherever the file keeps them', () => {
    const raw = (values: Float32Array | BigInt64Array | Int32Array): Uint8Array => new Uint8Array(values.buffer);
    const read = constants([
      { name: 'raw', dims: [2], data_type: ELEMENT.FLOAT, raw_data: raw(Float32Array.of(1.5, -2)) },
      { name: 'typed', dims: [1, 2], data_type: ELEMENT.FLOAT, float_data: [1.5, -2] },
      { name: 'scalar', dims: [], data_type: ELEMENT.INT64, raw_data: raw(BigInt64Array.of(-7n)) },
      { name: 'longs', dims: [2], data_type: ELEMENT.INT64, int64_data: [1, -1] },
      { name: 'ints', dims: [1], data_type: ELEMENT.INT32, raw_data: raw(Int32Array.of(-5)) },
      { name: 'truths', dims: [2], data_type: ELEMENT.BOOL, raw_data: Uint8Array.of(0, 1) },
    ]);
    expect(read.get('raw')).toEqual({ kind: 'floats', shape: [2], values: Float32Array.of(1.5, -2) });
    expect(read.get('typed')).toEqual({ kind: 'floats', shape: [1, 2], values: Float32Array.of(1.5, -2) });
    expect(read.get('scalar')).toEqual({ kind: 'integers', shape: [], values: [-7] });
    expect(read.get('longs')).toEqual({ kind: 'integers', shape: [2], values: [1, -1] });
    expect(read.get('ints')).toEqual({ kind: 'integers', shape: [1], values: [-5] });
    expect(read.get('truths')).toEqual({ kind: 'integers', shape: [2], values: [0, 1] });
  });

  it('takes constants out of the order of operations', () => {
    const tensor = { dims: [1], data_type: ELEMENT.FLOAT, float_data: [3] };
    const settings: readonly (readonly [object, readonly number[]])[] = [
      [{ name: 'value', type: ATTRIBUTE.TENSOR, t: tensor }, [3]],
      [{ name: 'value_float', type: ATTRIBUTE.FLOAT, f: 0.25 }, [0.25]],
      [{ name: 'value_floats', type: ATTRIBUTE.FLOATS, floats: [0.25, 1] }, [0.25, 1]],
      [{ name: 'value_int', type: ATTRIBUTE.INT, i: 4 }, [4]],
      [{ name: 'value_ints', type: ATTRIBUTE.INTS, ints: [4, 5] }, [4, 5]],
    ];
    for (const [attribute, values] of settings) {
      const node = [{ op_type: 'Constant', output: ['y'], attribute: [attribute] }];
      const graph = readOnnx(fileOf({ ...WITHOUT_NODES, node, output: [PORT] }));
      expect(graph.nodes).toEqual([]);
      expect([...graph.constants.get('y')!.values]).toEqual(values);
    }
  });

  it('takes equal weights, which a file repeats by name alone, as the constants that they are', () => {
    const graph = new GraphBuilder('test');
    graph.input('x', 'float32', [1, 2, 4, 4]);
    graph.output('y', null);
    graph.add('Identity', [graph.floats('w', [2, 2, 1, 1], [1, 2, 3, 4])], 'again');
    graph.add('Identity', ['x'], 'same');
    graph.add('Conv', ['same', 'again'], 'y');
    const { nodes, constants } = readOnnx(graph.encode());
    expect(constants.get('again')).toBe(constants.get('w'));
    expect(nodes.map(({ operator }) => operator)).toEqual(['Identity', 'Conv']);
  });

  it('names operations of other makers in full', () => {
    const node = [{ op_type: 'Conv', domain: 'com.example', output: ['y'] }];
    expect(readOnnx(fileOf({ ...WITHOUT_NODES, node })).nodes[0]?.operator).toBe('com.example.Conv');
  });

  it.each<[string, Uint8Array]>([
    ['cannot be decoded', new TextEncoder().encode('no network')],
    ['is incomplete (graph', OnnxModel.encode(OnnxModel.fromObject({ opset_import: [{ version: 17 }] })).finish()],
    ['version 0 of the ONNX operators', fileOf(WITHOUT_NODES, 17, 'com.example')],
    ['version 9 of the ONNX operators', fileOf(WITHOUT_NODES, 9)],
    ['version 18 of the ONNX operators', fileOf(WITHOUT_NODES, 18)],
    [
      'uses x in Relu (number 0)',
      fileOf({ ...WITHOUT_NODES, node: [{ op_type: 'Relu', input: ['x'], output: ['y'] }] }),
    ],
    ['uses y in its outputs', fileOf({ ...WITHOUT_NODES, output: [PORT] })],
    [
      '1 numbers for w of shape [2, 3]',
      fileOf({ ...WITHOUT_NODES, initializer: [{ name: 'w', dims: [2, 3], data_type: 1, float_data: [1] }] }),
    ],
    ['ONNX type 10', fileOf({ ...WITHOUT_NODES, initializer: [{ name: 'w', dims: [0], data_type: 10 }] })],
    [
      'numbers of w elsewhere',
      fileOf({ ...WITHOUT_NODES, initializer: [{ name: 'w', dims: [1], data_type: 1, data_location: 1 }] }),
    ],
    [
      'too many of them',
      fileOf({ ...WITHOUT_NODES, initializer: [{ name: 'w', dims: [2 ** 20, 2 ** 20], data_type: 1 }] }),
    ],
    [
      'a constant (number 0) of the kind value_string',
      fileOf({
        ...WITHOUT_NODES,
        node: [{ op_type: 'Constant', output: ['y'], attribute: [{ name: 'value_string', type: ATTRIBUTE.STRING }] }],
      }),
    ],
  ])('refuses a file that %s', (words, file) => {
    expect(refusal(file)).toMatchObject({ code: 'ENGINE_UNAVAILABLE', message: expect.stringContaining(words) });
  });

  it('either reads a damaged file as a whole graph or refuses it', () => {
    const graph = new GraphBuilder('test');
    graph.input('x', 'float32', ['batch', 2]);
    graph.output('y', ['batch', 2]);
    graph.add('Add', ['x', graph.floats('w', [2], [1, 2])], 'sum');
    graph.add('Reshape', ['sum', graph.integers('shape', [-1, 2])], 'y');
    const whole = graph.encode();
    const damage = fc.record({ cut: fc.nat(whole.length), at: fc.nat(whole.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(damage, ({ cut, at, byte }) => {
        const file = Uint8Array.from(whole);
        file[at] = byte;
        try {
          readOnnx(file.subarray(0, cut));
        } catch (thrown) {
          expect(thrown).toMatchObject({ name: 'AppError', code: 'ENGINE_UNAVAILABLE' });
        }
      }),
      { numRuns: 500 },
    );
  });
});
