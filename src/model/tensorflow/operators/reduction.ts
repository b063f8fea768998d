import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type OperatorMaker, unsupported } from '../operator.ts';
import { axisInMemory, axisOf, inOnnxOrder, type TensorValue, tensorValue } from '../value.ts';

type Reduce = (tensor: Tensor, axes: number[], keepDimensions: boolean) => Tensor;

/** Over the axes of the attribute or of the second input, whichever the operator's version has; over all without. */
function reduction(compute: Reduce): OperatorMaker {
  return ({ attributes }) => {
    const fixed = attributes.numbers('axes');
    const keep = attributes.number('keepdims', 1) === 1;
    const noneMeansNone = attributes.number('noop_with_empty_axes', 0) === 1;
    return (inputs) => {
      const value = inputs.tensorValue(0);
      const { rank } = value.tensor;
      const given = fixed ?? (inputs.has(1) ? inputs.integers(1) : []);
      if (given.length === 0 && noneMeansNone) return value;
      const all = Array.from({ length: rank }, (_, axis) => axis);
      const axes = given.length === 0 ? all : given.map((axis) => axisOf(axis, rank));
      const { tensor, places } = arranged(value, axes, keep);
      return tensorValue(compute(tensor, places, keep), value.channelsLast && keep);
    };
  };
}

/** The tensor and its axes in memory, turned only where what remains would stand in the wrong order. */
function arranged(value: TensorValue, axes: number[], keep: boolean): { tensor: Tensor; places: number[] } {
  const remaining = [1, 2, 3].filter((axis) => !axes.includes(axis));
  const ordered = keep || !value.channelsLast || !remaining.includes(1) || remaining.length === 1;
  if (!ordered) return { tensor: inOnnxOrder(value), places: axes };
  return { tensor: value.tensor, places: axes.map((axis) => axisInMemory(value, axis)) };
}

/** Over one axis, with the numbers of the others as they were. */
function alongAxis(compute: (tensor: Tensor, axis: number) => Tensor): OperatorMaker {
  return ({ attributes }) => {
    const axis = attributes.number('axis', -1);
    return (inputs) => {
      const value = inputs.tensorValue(0);
      return tensorValue(compute(value.tensor, axisInMemory(value, axis)), value.channelsLast);
    };
  };
}

/** TensorFlow.js has it for the last axis alone. */
function softmax(tensor: Tensor, axis: number): Tensor {
  if (axis === tensor.rank - 1) return tf.softmax(tensor);
  const powers = tf.exp(tf.sub(tensor, tf.max(tensor, axis, true)));
  return tf.div(powers, tf.sum(powers, axis, true));
}

function logSoftmax(tensor: Tensor, axis: number): Tensor {
  const shifted = tf.sub(tensor, tf.max(tensor, axis, true));
  return tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), axis, true)));
}

/** Each channel scaled and moved by the constants of training. */
const batchNormalization: OperatorMaker = ({ node, attributes, constant, keep }) => {
  const [scale, offset, mean, variance] = [1, 2, 3, 4].map((index) => {
    const stored = constant(index);
    if (stored?.kind !== 'floats') throw unsupported(node, 'has statistics that are computed');
    return stored.values;
  });
  attributes.mustBe('training_mode', 0);
  const epsilon = attributes.number('epsilon', 1e-5);
  const factors = scale!.map((value, index) => value / Math.sqrt(variance![index]! + epsilon));
  const factor = keep(() => tf.tensor1d(factors));
  const shift = keep(() => tf.tensor1d(offset!.map((value, index) => value - mean![index]! * factors[index]!)));
  return (inputs) => {
    const { tensor, channelsLast } = inputs.tensorValue(0);
    if (channelsLast || tensor.rank === 2) return tensorValue(tf.add(tf.mul(tensor, factor), shift), channelsLast);
    const shape = [-1, ...Array<number>(tensor.rank - 2).fill(1)];
    return tensorValue(tf.add(tf.mul(tensor, tf.reshape(factor, shape)), tf.reshape(shift, shape)));
  };
};

/** Over the last axes, from `axis` on. */
const layerNormalization: OperatorMaker = ({ node, attributes }) => {
  if (node.outputs.length > 1) throw unsupported(node, 'has to give its statistics');
  const epsilon = attributes.number('epsilon', 1e-5);
  const from = attributes.number('axis', -1);
  return (inputs) => {
    const x = inputs.tensor(0);
    const first = axisOf(from, x.rank);
    const axes = Array.from({ length: x.rank - first }, (_, index) => first + index);
    const centred = tf.sub(x, tf.mean(x, axes, true));
    const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centred), axes, true), epsilon));
    const scaled = tf.mul(tf.div(centred, deviation), inputs.tensor(1));
    return tensorValue(inputs.has(2) ? tf.add(scaled, inputs.tensor(2)) : scaled);
  };
};

export const REDUCTIONS: Readonly<Record<string, OperatorMaker>> = {
  ReduceMean: reduction(tf.mean),
  ReduceSum: reduction(tf.sum),
  ReduceMax: reduction(tf.max),
  ReduceMin: reduction(tf.min),
  ReduceL2: reduction((tensor, axes, keep) => tf.sqrt(tf.sum(tf.square(tensor), axes, keep))),
  Softmax: alongAxis(softmax),
  LogSoftmax: alongAxis(logSoftmax),
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
};
