/** What flows between operators, and in which order its numbers lie. */

import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Constant } from './onnx-graph.ts';

/**
 * A tensor whose shape, to the graph, is always that of ONNX. With `channelsLast` its four dimensions lie in memory as
 * batch, height, width, channels, the only order that TensorFlow.js convolves; they stay so from one operator to the
 * next, and are turned back where an operator cares.
 */
export interface TensorValue {
  readonly kind: 'tensor';
  readonly tensor: Tensor;
  readonly channelsLast: boolean;
}

/** Sizes, axes and indices: they are worked out in JavaScript, because tensors are made from them. */
export interface IntegersValue {
  readonly kind: 'integers';
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export type Value = TensorValue | IntegersValue;

/** Where ONNX's dimensions batch, channels, height, width lie in a tensor with its channels last. */
const PLACE_WITH_CHANNELS_LAST = [0, 3, 1, 2] as const;

export function tensorValue(tensor: Tensor, channelsLast = false): TensorValue {
  return { kind: 'tensor', tensor, channelsLast };
}

export function integersValue(shape: readonly number[], values: readonly number[]): IntegersValue {
  return { kind: 'integers', shape, values };
}

/** A value of its own for a constant of the file; the caller owns its tensor. */
export function constantValue(constant: Constant): Value {
  if (constant.kind === 'integers') return constant;
  return tensorValue(tf.tensor(constant.values, [...constant.shape], 'float32'));
}

/** The shape as ONNX sees it. */
export function shapeOf(value: Value): readonly number[] {
  if (value.kind === 'integers') return value.shape;
  const { shape } = value.tensor;
  return value.channelsLast ? PLACE_WITH_CHANNELS_LAST.map((place) => shape[place]!) : shape;
}

/** An ONNX axis, counted from the end where it is negative, as an axis of a shape of this rank. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The axis of the tensor in memory that an ONNX axis is. */
export function axisInMemory(value: TensorValue, axis: number): number {
  const counted = axisOf(axis, value.tensor.rank);
  return value.channelsLast ? (PLACE_WITH_CHANNELS_LAST[counted] ?? counted) : counted;
}

/** The tensor with its dimensions in memory as ONNX counts them. */
export function inOnnxOrder(value: Value): Tensor {
  if (value.kind === 'integers') return tf.tensor([...value.values], [...value.shape], 'int32');
  if (!value.channelsLast) return value.tensor;
  const [batch = 0, height = 0, width = 0, channels = 0] = value.tensor.shape;
  // One channel or one place: both orders are the same numbers.
  if (channels === 1 || height * width === 1) return tf.reshape(value.tensor, [batch, channels, height, width]);
  return tf.transpose(value.tensor, [0, 3, 1, 2]);
}

/** The four-dimensional tensor with its channels last in memory. */
export function withChannelsLast(value: Value): tf.Tensor4D {
  if (value.kind === 'tensor' && value.channelsLast) return value.tensor as tf.Tensor4D;
  const tensor = inOnnxOrder(value) as tf.Tensor4D;
  const [batch, channels, height, width] = tensor.shape;
  if (channels === 1 || height * width === 1) return tf.reshape(tensor, [batch, height, width, channels]);
  return tf.transpose(tensor, [0, 2, 3, 1]);
}

/** Tensors of operands that are broadcast against each other, all in one order. */
export function inOneOrder(values: readonly Value[]): { readonly tensors: Tensor[]; readonly channelsLast: boolean } {
  const channelsLast = values.some((value) => value.kind === 'tensor' && value.channelsLast);
  if (!channelsLast) return { tensors: values.map(inOnnxOrder), channelsLast };
  const tensors = values.map((value) => {
    const shape = shapeOf(value);
    // A number alone fits any order; what has fewer dimensions is aligned with the last ones of ONNX's order.
    if (shape.length === 0) return inOnnxOrder(value);
    if (shape.length === 4) return withChannelsLast(value);
    const aligned = tf.reshape(inOnnxOrder(value), [...Array<number>(4 - shape.length).fill(1), ...shape]);
    return withChannelsLast(tensorValue(aligned));
  });
  return { tensors, channelsLast };
}
