import * as tf from '@tensorflow/tfjs-core';
import { type Inputs, type OperatorMaker, type OperatorSetting, unsupported } from '../operator.ts';
import { tensorValue, withChannelsLast } from '../value.ts';
import { type PlanarWindow, planarWindow } from './window.ts';

export const averagePool: OperatorMaker = (setting) => {
  const window = poolingWindow(setting);
  const { pads } = window;
  const average = (picture: tf.Tensor4D): tf.Tensor4D =>
    isSingle(window) ? pick(picture, window) : tf.avgPool(picture, window.kernel, window.strides, 'valid');
  const bordersCount = pads.none || setting.attributes.number('count_include_pad', 0) === 1;
  return (inputs) => {
    const x = pooled(inputs, setting, window);
    const means = average(pads.around(x, 0));
    if (bordersCount) return tensorValue(means, true);
    // The share of each window that lies on the picture.
    const shares = average(pads.around(tf.ones([1, x.shape[1], x.shape[2], 1]), 0));
    return tensorValue(tf.div(means, shares), true);
  };
};

export const maxPool: OperatorMaker = (setting) => {
  const window = poolingWindow(setting);
  if (setting.node.outputs.length > 1) throw unsupported(setting.node, 'has to give indices');
  return (inputs) => {
    const x = window.pads.around(pooled(inputs, setting, window), Number.NEGATIVE_INFINITY);
    const maxima = isSingle(window) ? pick(x, window) : tf.maxPool(x, window.kernel, window.strides, 'valid');
    return tensorValue(maxima, true);
  };
};

export const globalAveragePool: OperatorMaker = () => (inputs) =>
  tensorValue(tf.mean(withChannelsLast(inputs.value(0)), [1, 2], true), true);

export const globalMaxPool: OperatorMaker = () => (inputs) =>
  tensorValue(tf.max(withChannelsLast(inputs.value(0)), [1, 2], true), true);

function poolingWindow({ node, attributes }: OperatorSetting): PlanarWindow {
  const window = planarWindow(node, attributes);
  if (window.dilations.some((dilation) => dilation !== 1)) throw unsupported(node, 'has dilations');
  return window;
}

/** The picture, once it is sure that rounding its size up is the same as rounding it down. */
function pooled(inputs: Inputs, { node, attributes }: OperatorSetting, window: PlanarWindow): tf.Tensor4D {
  const picture = withChannelsLast(inputs.value(0));
  if (attributes.number('ceil_mode', 0) === 1) {
    const [, height, width] = picture.shape;
    const { kernel, strides, pads } = window;
    const restOfHeight = (height + pads.vertical[0] + pads.vertical[1] - kernel[0]) % strides[0];
    const restOfWidth = (width + pads.horizontal[0] + pads.horizontal[1] - kernel[1]) % strides[1];
    if (restOfHeight + restOfWidth > 0) throw unsupported(node, 'has ceil_mode = 1');
  }
  return picture;
}

/** A window of one pixel, which the wasm backend refuses. */
function isSingle({ kernel }: PlanarWindow): boolean {
  return kernel[0] === 1 && kernel[1] === 1;
}

function pick(picture: tf.Tensor4D, { strides }: PlanarWindow): tf.Tensor4D {
  return tf.stridedSlice(picture, [0, 0, 0, 0], picture.shape, [1, strides[0], strides[1], 1]) as tf.Tensor4D;
}
