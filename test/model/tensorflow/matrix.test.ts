import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { GraphBuilder } from '../../../scripts/onnx-graph.ts';
import { expectRefusal, expectSameNumbers, holds, noise } from './support.ts';

const side = fc.integer({ min: 1, max: 6 });

describe('products of matrices', () => {
  const products = fc.record({
    rows: side,
    inner: side,
    columns: side,
    transA: fc.integer({ min: 0, max: 1 }),
    transB: fc.integer({ min: 0, max: 1 }),
    alpha: fc.constantFrom(1, 0.5),
    beta: fc.constantFrom(1, 2),
    /** Shape of what is added. */
    added: fc.constantFrom('nothing', 'a number', 'a row', 'a column', 'a matrix'),
    constant: fc.boolean(),
  });

  it('Gemm is that of onnxruntime, whether its weights are constant or computed', async () => {
    await holds(products, async ({ rows, inner, columns, transA, transB, alpha, beta, added, constant }) => {
      const c = {
        nothing: null,
        'a number': [],
        'a row': [columns],
        'a column': [rows, 1],
        'a matrix': [rows, columns],
      }[added];
      const a = noise(transA === 1 ? [inner, rows] : [rows, inner]);
      const b = noise(transB === 1 ? [columns, inner] : [inner, columns], 2);
      await expectSameNumbers({
        inputs: { a, ...(constant ? {} : { b }) },
        outputs: ['y'],
        build: (graph) => {
          const inputs = ['a', constant ? graph.floats('b', b.shape, b.values) : 'b'];
          if (c !== null) inputs.push(graph.floats('c', c, noise(c, 3).values));
          graph.add('Gemm', inputs, 'y', { transA, transB, alpha: { float: alpha }, beta: { float: beta } });
        },
      });
    });
  });

  it.each([
    [
      [3, 4],
      [4, 5],
    ],
    [
      [2, 3, 4],
      [4, 5],
    ],
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
    [
      [1, 3, 4],
      [2, 4, 5],
    ],
    [
      [2, 2, 3, 4],
      [2, 1, 4, 5],
    ],
    [[4], [4, 5]],
    [[3, 4], [4]],
    [[2, 3, 4], [4]],
    [
      [3, 4],
      [2, 4, 5],
    ],
  ])('MatMul of %j with %j', async (left, right) => {
    await expectSameNumbers({
      inputs: { a: noise(left), b: noise(right, 2) },
      outputs: ['y'],
      build: (graph) => graph.add('MatMul', ['a', 'b'], 'y'),
    });
  });
});

describe('LSTM', () => {
  const networks = fc.record({
    steps: fc.integer({ min: 1, max: 5 }),
    rows: side,
    size: side,
    states: side,
    direction: fc.constantFrom('forward', 'reverse', 'bidirectional'),
    bias: fc.boolean(),
    initial: fc.boolean(),
  });

  it('gives the states and the last ones of onnxruntime, in each direction', async () => {
    await holds(networks, async ({ steps, rows, size, states, direction, bias, initial }) => {
      const directions = direction === 'bidirectional' ? 2 : 1;
      await expectSameNumbers({
        inputs: { x: noise([steps, rows, size]) },
        outputs: ['all', 'last', 'cell'],
        build: (graph) => {
          const constant = (name: string, shape: readonly number[], seed: number): string =>
            graph.floats(name, shape, noise(shape, seed).values);
          const inputs = [
            'x',
            constant('w', [directions, 4 * states, size], 2),
            constant('r', [directions, 4 * states, states], 3),
            bias ? constant('b', [directions, 8 * states], 4) : '',
            '',
            ...(initial
              ? ['state', 'first'].map((name, seed) => constant(name, [directions, rows, states], seed + 5))
              : []),
          ];
          graph.add('LSTM', inputs, ['all', 'last', 'cell'], { hidden_size: states, direction });
        },
      });
    });
  });

  it('is followed by what needs only its states', async () => {
    await expectSameNumbers({
      inputs: { x: noise([4, 3, 2]) },
      outputs: ['y'],
      build: (graph) => {
        const w = graph.floats('w', [2, 8, 2], noise([2, 8, 2], 2).values);
        const r = graph.floats('r', [2, 8, 2], noise([2, 8, 2], 3).values);
        graph.add('LSTM', ['x', w, r], ['all', '', ''], { hidden_size: 2, direction: 'bidirectional' });
        graph.add('Transpose', ['all'], 'turned', { perm: [0, 2, 1, 3] });
        graph.add('Reshape', ['turned', graph.integers('shape', [0, 0, -1])], 'y');
      },
    });
  });

  it.each([
    ['direction = sideways', { direction: 'sideways' }],
    ['layout = 1', { layout: 1 }],
    ['clip of its own', { clip: { float: 1 } }],
  ])('says that it cannot do one with %s', async (words, settings) => {
    const build = (graph: GraphBuilder): void => {
      const w = graph.floats('w', [1, 8, 2], noise([1, 8, 2], 2).values);
      const r = graph.floats('r', [1, 8, 2], noise([1, 8, 2], 3).values);
      graph.add('LSTM', ['x', w, r], ['y'], { hidden_size: 2, ...settings });
    };
    await expectRefusal({ inputs: { x: noise([4, 3, 2]) }, outputs: ['y'], build }, words);
  });
});
