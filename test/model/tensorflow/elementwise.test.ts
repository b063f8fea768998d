import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { Attribute, GraphBuilder } from '../../../scripts/onnx-graph.ts';
import { expectRefusal, expectSameNumbers, holds, type Numbers, noise } from './support.ts';

/** Numbers that a logarithm takes. */
function positive(shape: readonly number[]): Numbers {
  const { values } = noise(shape);
  return { shape, values: values.map((value) => Math.abs(value) + 0.1) };
}

/** A convolution that changes nothing: what follows gets its numbers with the channels last in memory. */
function throughConvolution(graph: GraphBuilder, channels: number, from = 'x', to = 'turned'): string {
  const same = Array.from({ length: channels ** 2 }, (_, index) => (index % (channels + 1) === 0 ? 1 : 0));
  graph.add('Conv', [from, graph.floats(`same ${channels}`, [channels, channels, 1, 1], same)], to);
  return to;
}

describe('operations on each number alone', () => {
  it.each([
    'Abs',
    'Ceil',
    'Cos',
    'Elu',
    'Erf',
    'Exp',
    'Floor',
    'HardSwish',
    'HardSigmoid',
    'Identity',
    'LeakyRelu',
    'Neg',
    'Relu',
    'Sigmoid',
    'Sin',
    'Softplus',
    'Tanh',
  ])('%s', async (operator) => {
    for (const turned of [false, true]) {
      await expectSameNumbers({
        inputs: { x: noise([2, 3, 4, 5]) },
        outputs: ['y'],
        build: (graph) => graph.add(operator, [turned ? throughConvolution(graph, 3) : 'x'], 'y'),
      });
    }
  });

  it.each(['Log', 'Sqrt', 'Reciprocal'])('%s', async (operator) => {
    await expectSameNumbers({
      inputs: { x: positive([2, 7]) },
      outputs: ['y'],
      build: (graph) => graph.add(operator, ['x'], 'y'),
    });
  });

  it.each<[string, Record<string, Attribute>]>([
    ['LeakyRelu', { alpha: { float: 0.3 } }],
    ['HardSigmoid', { alpha: { float: 0.3 }, beta: { float: 0.4 } }],
  ])('%s with settings of its own', async (operator, settings) => {
    await expectSameNumbers({
      inputs: { x: noise([3, 5]) },
      outputs: ['y'],
      build: (graph) => graph.add(operator, ['x'], 'y', settings),
    });
  });

  it.each([
    ['both bounds', ['low', 'high']],
    ['a lower bound alone', ['low']],
    ['an upper bound alone', ['', 'high']],
    ['no bound', []],
  ])('Clip with %s', async (_, bounds) => {
    await expectSameNumbers({
      inputs: { x: noise([3, 5]) },
      outputs: ['y'],
      build: (graph) => {
        graph.floats('low', [], [-0.5]);
        graph.floats('high', [], [0.75]);
        graph.add('Clip', ['x', ...bounds], 'y');
      },
    });
  });

  it('says that it cannot do an Elu of another slope', async () => {
    const build = (graph: GraphBuilder): void => graph.add('Elu', ['x'], 'y', { alpha: { float: 2 } });
    await expectRefusal({ inputs: { x: noise([2]) }, outputs: ['y'], build }, 'alpha = 2');
  });
});

describe('operations on pairs of numbers', () => {
  /** Shapes that go together, whichever of the two has fewer dimensions or a single place along one. */
  const shapes = fc
    .tuple(
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.integer({ min: 0, max: 15 }),
    )
    .map(([shape, cut, singles]) => {
      const other = shape.slice(cut % (shape.length + 1)).map((side, axis) => ((singles >> axis) & 1 ? 1 : side));
      return [shape, other] as const;
    });
  const pairs = fc.record({
    operator: fc.constantFrom('Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'PRelu'),
    shapes,
    swapped: fc.boolean(),
  });

  it('are those of onnxruntime for all shapes that go together', async () => {
    await holds(pairs, async ({ operator, shapes: [shape, other], swapped }) => {
      const inputs = { x: noise(shape), z: positive(other) };
      await expectSameNumbers({
        inputs,
        outputs: ['y'],
        // The slope of a PRelu is never the larger one.
        build: (graph) => graph.add(operator, swapped && operator !== 'PRelu' ? ['z', 'x'] : ['x', 'z'], 'y'),
      });
    });
  });

  it('go together with numbers whose channels lie last in memory', async () => {
    const shapesOfOther = fc.constantFrom([], [5], [4, 1], [3, 1, 1], [2, 1, 4, 5], [1, 3, 1, 1], [2, 3, 4, 5]);
    await holds(fc.tuple(shapesOfOther, fc.boolean()), async ([shape, swapped]) => {
      await expectSameNumbers({
        inputs: { x: noise([2, 3, 4, 5]), z: noise(shape, 9) },
        outputs: ['y'],
        build: (graph) => {
          const turned = throughConvolution(graph, 3);
          graph.add('Sub', swapped ? ['z', turned] : [turned, 'z'], 'y');
        },
      });
    });
  });

  it('Pow', async () => {
    await expectSameNumbers({
      inputs: { x: positive([2, 3]) },
      outputs: ['y'],
      build: (graph) => graph.add('Pow', ['x', graph.floats('two', [], [2])], 'y'),
    });
  });

  it('choose by a comparison', async () => {
    for (const operator of ['Greater', 'Less', 'Equal']) {
      await expectSameNumbers({
        inputs: { x: noise([2, 3, 2, 2]), z: noise([3, 1, 1], 9) },
        outputs: ['y'],
        build: (graph) => {
          graph.add(operator, [throughConvolution(graph, 3), 'z'], 'truth');
          graph.add('Where', ['truth', 'x', 'z'], 'y');
        },
      });
    }
  });
});

describe('operations along axes', () => {
  const reductions = fc.record({
    operator: fc.constantFrom('ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL2'),
    axes: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
    negative: fc.boolean(),
    keepdims: fc.integer({ min: 0, max: 1 }),
    turned: fc.boolean(),
  });

  it('reduce to what onnxruntime has, in whatever order the numbers lie', async () => {
    await holds(reductions, async ({ operator, axes, negative, keepdims, turned }) => {
      await expectSameNumbers({
        inputs: { x: noise([2, 3, 4, 5]) },
        outputs: ['y'],
        build: (graph) =>
          graph.add(operator, [turned ? throughConvolution(graph, 3) : 'x'], 'y', {
            axes: negative ? axes.map((axis) => axis - 4) : axes,
            keepdims,
          }),
      });
    });
  });

  it.each([
    ['the axes of its second input', ['x', 'axes'], {}],
    ['all axes', ['x'], { keepdims: 0 }],
    ['none, where it is told so', ['x'], { noop_with_empty_axes: 1 }],
  ])('sum over %s', async (_, inputs, settings) => {
    await expectSameNumbers({
      inputs: { x: noise([2, 3, 4]) },
      outputs: ['y'],
      build: (graph) => {
        graph.integers('axes', [-1, 0]);
        graph.add('ReduceSum', inputs, 'y', settings);
      },
    });
  });

  it.each(['Softmax', 'LogSoftmax'])('%s', async (operator) => {
    for (const axis of [-1, 0, 1, 2, 3]) {
      for (const turned of [false, true]) {
        await expectSameNumbers({
          inputs: { x: noise([2, 3, 4, 5]) },
          outputs: ['y'],
          build: (graph) => graph.add(operator, [turned ? throughConvolution(graph, 3) : 'x'], 'y', { axis }),
        });
      }
    }
  });

  it('normalise by the statistics of training', async () => {
    const shapes = [
      [4, 3],
      [4, 3, 5],
      [4, 3, 5, 2],
    ];
    for (const shape of shapes) {
      for (const turned of shape.length === 4 ? [false, true] : [false]) {
        await expectSameNumbers({
          inputs: { x: noise(shape) },
          outputs: ['y'],
          build: (graph) => {
            const statistics = ['scale', 'offset', 'mean'].map((name, seed) =>
              graph.floats(name, [3], noise([3], seed + 2).values),
            );
            const from = turned ? throughConvolution(graph, 3) : 'x';
            const variance = graph.floats('variance', [3], positive([3]).values);
            graph.add('BatchNormalization', [from, ...statistics, variance], 'y', { epsilon: { float: 1e-3 } });
          },
        });
      }
    }
  });

  it('normalise each layer', async () => {
    await expectSameNumbers({
      inputs: { x: noise([2, 3, 4]) },
      outputs: ['y'],
      build: (graph) => {
        const scale = graph.floats('scale', [3, 4], noise([3, 4], 2).values);
        const offset = graph.floats('offset', [3, 4], noise([3, 4], 3).values);
        graph.add('LayerNormalization', ['x', scale, offset], 'y', { axis: 1 });
      },
    });
  });
});
