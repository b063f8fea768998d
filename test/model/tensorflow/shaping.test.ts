import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attribute, GraphBuilder } from '../../../scripts/onnx-graph.ts';
import { slicedIndices } from '../../../src/model/tensorflow/operators/integers.ts';
import { expectRefusal, expectSameNumbers, holds, noise } from './support.ts';

const X = { x: noise([2, 3, 4, 5]) };

/** What follows gets the numbers of x with the channels last in memory. */
function turned(graph: GraphBuilder): string {
  graph.add('Conv', ['x', graph.floats('same', [3, 3, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 1])], 'turned');
  return 'turned';
}

/** Both ways in which four dimensions lie in memory. */
async function expectSameInBothOrders(build: (graph: GraphBuilder, x: string) => void, outputs = ['y']): Promise<void> {
  await expectSameNumbers({ inputs: X, outputs, build: (graph) => build(graph, 'x') });
  await expectSameNumbers({ inputs: X, outputs, build: (graph) => build(graph, turned(graph)) });
}

describe('operations on the shape', () => {
  it.each<[string, string, readonly number[] | null, Record<string, Attribute>]>([
    ['to a given shape', 'Reshape', [4, 30], {}],
    ['to a shape with one side left open', 'Reshape', [2, -1, 5], {}],
    ['with sides taken over', 'Reshape', [0, 0, -1], {}],
    ['to a matrix', 'Flatten', null, {}],
    ['to a matrix, cut in the middle', 'Flatten', null, { axis: 2 }],
    ['to a matrix, cut from the end', 'Flatten', null, { axis: -1 }],
    ['by new axes', 'Unsqueeze', [0, 3], {}],
    ['by a new axis at the end', 'Unsqueeze', [-1], {}],
  ])('change it %s', async (_, operator, sides, settings) => {
    await expectSameInBothOrders((graph, x) => {
      const inputs = sides === null ? [x] : [x, graph.integers('sides', sides)];
      graph.add(operator, inputs, 'y', settings);
    });
  });

  it('take single places away', async () => {
    for (const axes of [[1, -1], [1], null]) {
      await expectSameNumbers({
        inputs: { x: noise([2, 1, 4, 1]) },
        outputs: ['y'],
        build: (graph) => graph.add('Squeeze', axes === null ? ['x'] : ['x', graph.integers('axes', axes)], 'y'),
      });
    }
  });

  it('exchange axes in any way', async () => {
    const orders = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4, maxLength: 4 });
    await holds(orders, (perm) => expectSameInBothOrders((graph, x) => graph.add('Transpose', [x], 'y', { perm })), 12);
    await expectSameInBothOrders((graph, x) => graph.add('Transpose', [x], 'y'));
  });

  it('join along any axis, whatever order the parts lie in', async () => {
    for (const axis of [0, 1, 2, 3, -1]) {
      await expectSameInBothOrders((graph, x) => graph.add('Concat', [x, 'x', x], 'y', { axis }));
    }
  });

  it('split along any axis', async () => {
    for (const [axis, sizes] of [
      [0, null],
      [1, [1, 2]],
      [2, [3, 1]],
      [-2, null],
      [3, [1, 4]],
    ] as const) {
      await expectSameInBothOrders(
        (graph, x) => {
          const inputs = sizes === null ? [x] : [x, graph.integers('sizes', sizes)];
          graph.add('Split', inputs, ['first', 'second'], { axis });
        },
        ['first', 'second'],
      );
    }
  });

  it('cut out any part', async () => {
    const bound = fc.integer({ min: -7, max: 7 });
    const cuts = fc.record({
      axes: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 }),
      start: bound,
      end: fc.oneof(bound, fc.constant(2 ** 40), fc.constant(-(2 ** 40))),
      step: fc.constantFrom(1, 2, -1, -2),
    });
    await holds(cuts, async ({ axes, start, end, step }) => {
      // TensorFlow has no tensors without numbers, and a network has no use for them.
      fc.pre(axes.every((axis) => slicedIndices([2, 3, 4, 5][axis]!, [start, end, step]).length > 0));
      const list = (value: number): number[] => axes.map(() => value);
      await expectSameInBothOrders((graph, x) => {
        const bounds = [graph.integers('starts', list(start)), graph.integers('ends', list(end))];
        graph.add('Slice', [x, ...bounds, graph.integers('axes', axes), graph.integers('steps', list(step))], 'y');
      });
    });
  });

  it('take single places or several', async () => {
    for (const axis of [0, 1, 2, -1]) {
      await expectSameInBothOrders((graph, x) =>
        graph.add('Gather', [x, graph.integers('at', [1, 0, -1])], 'y', { axis }),
      );
      await expectSameInBothOrders((graph, x) => {
        graph.add('Squeeze', [graph.integers('list', [1])], 'one');
        graph.add('Gather', [x, 'one'], 'y', { axis });
      });
    }
  });

  it('put a border around', async () => {
    const width = fc.integer({ min: 0, max: 2 });
    await holds(
      fc.array(width, { minLength: 8, maxLength: 8 }),
      (pads) =>
        expectSameInBothOrders((graph, x) =>
          graph.add('Pad', [x, graph.integers('pads', pads), graph.floats('fill', [], [0.5])], 'y'),
        ),
      12,
    );
  });

  it('repeat what is there', async () => {
    for (const shape of [
      [2, 3, 4, 5],
      [7, 2, 3, 4, 5],
      [1, 1, 1, 1],
    ]) {
      await expectSameInBothOrders((graph, x) => graph.add('Expand', [x, graph.integers('shape', shape)], 'y'));
    }
  });
});

describe('arithmetic with sizes', () => {
  it('follows the batch: shapes are read, cut, joined, divided and used', async () => {
    await expectSameNumbers({
      inputs: X,
      outputs: ['y', 'zeros'],
      build: (graph) => {
        graph.add('Shape', ['x'], 'shape');
        graph.add(
          'Slice',
          ['shape', graph.integers('from', [0]), graph.integers('to', [2]), graph.integers('axis', [0])],
          'outer',
        );
        graph.add('Gather', ['shape', graph.integers('third', [2])], 'height');
        graph.add('Div', ['height', graph.integers('two', [2])], 'half');
        graph.add('Mul', ['half', graph.integers('three', [3])], 'more');
        graph.add('Sub', ['more', graph.integers('one', [1])], 'fewer');
        graph.add('Add', ['fewer', graph.integers('five', [5])], 'wide');
        graph.add('Cast', ['wide'], 'cast', { to: 7 });
        graph.add('Concat', ['outer', 'half', 'cast'], 'sizes', { axis: 0 });
        graph.add('Resize', ['x', '', '', 'sizes'], 'y', { mode: 'linear' });
        graph.add('ConstantOfShape', ['outer'], 'zeros');
      },
    });
  });

  it('fills in the sides that an expansion leaves open', async () => {
    await expectSameNumbers({
      inputs: { x: noise([3, 1]) },
      outputs: ['y'],
      build: (graph) => {
        const wanted = graph.integers('wanted', [-1, 4]);
        graph.add('Equal', [wanted, graph.integers('open', [-1])], 'isOpen');
        graph.add('Where', ['isOpen', graph.integers('one', [1]), wanted], 'shape');
        graph.add('Expand', ['x', 'shape'], 'y');
      },
    });
  });

  it('becomes numbers of the network by a cast', async () => {
    await expectSameNumbers({
      inputs: X,
      outputs: ['y'],
      build: (graph) => {
        graph.add('Shape', ['x'], 'shape', { start: 3 });
        graph.add('Cast', ['shape'], 'width', { to: 1 });
        graph.add('Div', ['x', 'width'], 'y');
      },
    });
  });

  it.each<[string, (graph: GraphBuilder) => void]>([
    ['a size that is computed from the picture', (graph) => graph.add('Reshape', ['x', 'x'], 'y')],
    ['an index that is computed from the picture', (graph) => graph.add('Gather', ['x', 'x'], 'y')],
    ['casts to the ONNX type 10', (graph) => graph.add('Cast', ['x'], 'y', { to: 10 })],
    ['mode = reflect', (graph) => graph.add('Pad', ['x', graph.integers('pads', [1, 1])], 'y', { mode: 'reflect' })],
    ['the wrong kind for axis', (graph) => graph.add('Flatten', ['x'], 'y', { axis: 'last' })],
    ['lacks its input 1', (graph) => graph.add('Reshape', ['x'], 'y')],
  ])('says what it cannot do: %s', async (words, build) => {
    await expectRefusal({ inputs: { x: noise([4]) }, outputs: ['y'], build }, words);
  });
});

describe('slicedIndices', () => {
  it('takes what an array of that length would give', () => {
    const bound = fc.integer({ min: -12, max: 12 });
    fc.assert(
      fc.property(fc.nat(9), bound, bound, (length, start, end) => {
        const all = Array.from({ length }, (_, index) => index);
        expect(slicedIndices(length, [start, end, 1])).toEqual(all.slice(start, end));
      }),
    );
  });
});
