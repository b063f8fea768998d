import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { GraphBuilder } from '../../../scripts/onnx-graph.ts';
import { type Comparison, expectRefusal, expectSameNumbers, holds, noise } from './support.ts';

const side = fc.integer({ min: 5, max: 12 });
const pad = fc.integer({ min: 0, max: 2 });
const small = fc.integer({ min: 1, max: 3 });

const convolution = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  channels: fc.integer({ min: 1, max: 5 }),
  filters: fc.integer({ min: 1, max: 6 }),
  height: side,
  width: side,
  kernel: fc.tuple(small, small),
  stride: fc.tuple(small, small),
  /** Top, left, bottom, right. */
  pads: fc.tuple(pad, pad, pad, pad),
  bias: fc.boolean(),
  relu: fc.boolean(),
});

describe('convolution', () => {
  it('is that of onnxruntime, whatever its strides, its uneven pads and whether a Relu follows', async () => {
    await holds(convolution, async ({ batch, channels, filters, height, width, kernel, stride, pads, bias, relu }) => {
      const weights = noise([filters, channels, ...kernel], 3);
      await expectSameNumbers({
        inputs: { x: noise([batch, channels, height, width]) },
        outputs: ['y'],
        build: (graph) => {
          const inputs = ['x', graph.floats('w', weights.shape, weights.values)];
          if (bias) inputs.push(graph.floats('b', [filters], noise([filters], 4).values));
          const settings = { kernel_shape: kernel, strides: stride, pads, dilations: [1, 1], group: 1 };
          graph.add('Conv', inputs, relu ? 'conv' : 'y', settings);
          if (relu) graph.add('Relu', ['conv'], 'y');
        },
      });
    });
  });

  it('dilates', async () => {
    await expectSameNumbers({
      inputs: { x: noise([2, 3, 11, 9]) },
      outputs: ['y'],
      build: (graph) => {
        const weights = graph.floats('w', [4, 3, 3, 3], noise([4, 3, 3, 3], 5).values);
        graph.add('Conv', ['x', weights], 'y', { kernel_shape: [3, 3], dilations: [2, 3], pads: [2, 3, 2, 3] });
      },
    });
  });

  it.each([1, 2])('works for each channel alone, with %i filters to a channel', async (multiplier) => {
    const filters = 3 * multiplier;
    await expectSameNumbers({
      inputs: { x: noise([2, 3, 8, 7]) },
      outputs: ['y'],
      build: (graph) => {
        const weights = graph.floats('w', [filters, 1, 3, 3], noise([filters, 1, 3, 3], 6).values);
        const bias = graph.floats('b', [filters], noise([filters], 7).values);
        graph.add('Conv', ['x', weights, bias], 'y', {
          kernel_shape: [3, 3],
          group: 3,
          pads: [1, 0, 2, 1],
          strides: [2, 2],
        });
      },
    });
  });

  it('keeps a value that others read besides the Relu, and one that is an output', async () => {
    await expectSameNumbers({
      inputs: { x: noise([1, 2, 6, 6]) },
      outputs: ['sum', 'second', 'third'],
      build: (graph) => {
        const weights = graph.floats('w', [2, 2, 3, 3], noise([2, 2, 3, 3], 8).values);
        const settings = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
        graph.add('Conv', ['x', weights], 'first', settings);
        graph.add('Relu', ['first'], 'positive');
        graph.add('Add', ['first', 'positive'], 'sum');
        graph.add('Conv', ['sum', weights], 'second', settings);
        graph.add('Relu', ['second'], 'third');
      },
      // Sums of sums: half of the usual tolerance here, and another processor adds in another order.
      tolerance: 1e-4,
    });
  });

  it.each([
    ['2 groups of 2 channels', [4, 2, 3, 3], { group: 2 }],
    ['not over two dimensions', [4, 4, 3], { kernel_shape: [3] }],
    ['auto_pad = SAME_LOWER', [4, 4, 3, 3], { auto_pad: 'SAME_LOWER' }],
  ] as const)('says that it cannot do what is %s', async (words, shape, settings) => {
    const build = (graph: GraphBuilder): void => {
      const weights = graph.floats('w', shape, noise(shape).values);
      graph.add('Conv', ['x', weights], 'y', settings);
    };
    await expectRefusal({ inputs: { x: noise([1, 4, 6, 6]) }, outputs: ['y'], build }, words);
  });
});

describe('pooling', () => {
  const pooling = fc.record({
    operator: fc.constantFrom('AveragePool', 'MaxPool'),
    channels: fc.integer({ min: 1, max: 4 }),
    height: side,
    width: side,
    kernel: fc.tuple(small, small),
    stride: fc.tuple(small, small),
    /** Less than the kernel, or a window could lie beside the picture. */
    padded: fc.boolean(),
    count_include_pad: fc.integer({ min: 0, max: 1 }),
  });

  it('is that of onnxruntime, and counts the border or not', async () => {
    await holds(pooling, async ({ operator, channels, height, width, kernel, stride, padded, count_include_pad }) => {
      const [top, left] = kernel.map((length) => (padded ? length - 1 : 0));
      await expectSameNumbers({
        inputs: { x: noise([2, channels, height, width]) },
        outputs: ['y'],
        build: (graph) =>
          graph.add(operator, ['x'], 'y', {
            kernel_shape: kernel,
            strides: stride,
            pads: [top!, left!, 0, left!],
            ...(operator === 'AveragePool' ? { count_include_pad } : {}),
          }),
      });
    });
  });

  it.each(['GlobalAveragePool', 'GlobalMaxPool'])('%s takes the whole picture', async (operator) => {
    await expectSameNumbers({
      inputs: { x: noise([3, 4, 5, 7]) },
      outputs: ['y'],
      build: (graph) => graph.add(operator, ['x'], 'y'),
    });
  });

  it('takes a rounding up of the size only where it changes nothing', async () => {
    const comparison = (kernel: number): Comparison => ({
      inputs: { x: noise([1, 2, 8, 8]) },
      outputs: ['y'],
      build: (graph) =>
        graph.add('MaxPool', ['x'], 'y', { kernel_shape: [kernel, kernel], strides: [2, 2], ceil_mode: 1 }),
    });
    await expectSameNumbers(comparison(2));
    await expectRefusal(comparison(3), 'ceil_mode');
  });
});

describe('resizing', () => {
  const resizing = fc.record({
    from: fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 2, max: 9 })),
    to: fc.tuple(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 2, max: 20 })),
    settings: fc.constantFrom(
      { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
      { mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' },
      { mode: 'linear', coordinate_transformation_mode: 'align_corners' },
      { mode: 'linear', coordinate_transformation_mode: 'asymmetric' },
      { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    ),
  });

  it('gives the pixels of onnxruntime for any size', async () => {
    await holds(resizing, async ({ from, to, settings }) => {
      await expectSameNumbers({
        inputs: { x: noise([2, 3, ...from]) },
        outputs: ['y'],
        build: (graph) => graph.add('Resize', ['x', '', '', graph.integers('sizes', [2, 3, ...to])], 'y', settings),
        tolerance: 1e-4,
      });
    });
  });

  it('takes scales as well', async () => {
    await expectSameNumbers({
      inputs: { x: noise([1, 3, 5, 4]) },
      outputs: ['y'],
      build: (graph) => {
        const scales = graph.floats('scales', [4], [1, 1, 2, 1.5]);
        graph.add('Resize', ['x', '', scales], 'y', { mode: 'linear', coordinate_transformation_mode: 'half_pixel' });
      },
    });
  });

  it.each([
    ['mode = cubic', { mode: 'cubic' }, [1, 1, 2, 2]],
    [
      'nearest_mode = ceil',
      { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'ceil' },
      [1, 1, 2, 2],
    ],
    ['no whole number of pixels', { mode: 'linear' }, [1, 1, 1.3, 2]],
    ['more than height and width', { mode: 'linear' }, [1, 2, 2, 2]],
  ] as const)('says that it cannot do what has %s', async (words, settings, scales) => {
    const build = (graph: GraphBuilder): void =>
      graph.add('Resize', ['x', '', graph.floats('scales', [4], scales)], 'y', settings);
    await expectRefusal({ inputs: { x: noise([1, 3, 4, 4]) }, outputs: ['y'], build }, words);
  });
});
