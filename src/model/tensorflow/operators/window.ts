/** The sliding window of convolutions and poolings. */
import * as tf from '@tensorflow/tfjs-core';
import type { OnnxNode } from '../onnx-graph.ts';
import { type Attributes, unsupported } from '../operator.ts';

/** Along the height and along the width, or before and after. */
export type Pair = [number, number];

export interface PlanarWindow {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pads: Pads;
}

export interface Pads {
  /** Rows above and below. */
  readonly vertical: Pair;
  /** Columns to the left and to the right. */
  readonly horizontal: Pair;
  readonly none: boolean;
  /** The picture (batch, height, width, channels) with a border of `value`. */
  around(picture: tf.Tensor4D, value: number): tf.Tensor4D;
}

/** Reads the window of a node over pictures. `kernel` is what the weights say, for nodes that need not say it. */
export function planarWindow(node: OnnxNode, attributes: Attributes, kernel?: Pair): PlanarWindow {
  const size = attributes.numbers('kernel_shape', kernel ?? []);
  const strides = attributes.numbers('strides', [1, 1]);
  const dilations = attributes.numbers('dilations', [1, 1]);
  const [top = 0, left = 0, bottom = 0, right = 0, ...more] = attributes.numbers('pads', [0, 0, 0, 0]);
  if (size.length !== 2 || strides.length !== 2 || dilations.length !== 2 || more.length > 0) {
    throw unsupported(node, 'is not over two dimensions');
  }
  const autoPad = attributes.text('auto_pad', 'NOTSET');
  if (autoPad !== 'NOTSET' && autoPad !== 'VALID') throw unsupported(node, `has auto_pad = ${autoPad}`);
  const vertical: Pair = [top, bottom];
  const horizontal: Pair = [left, right];
  const none = top + left + bottom + right === 0;
  return {
    kernel: pair(size),
    strides: pair(strides),
    dilations: pair(dilations),
    pads: {
      vertical,
      horizontal,
      none,
      around: (picture, value) => (none ? picture : tf.pad(picture, [[0, 0], vertical, horizontal, [0, 0]], value)),
    },
  };
}

function pair([first = 1, second = 1]: readonly number[]): Pair {
  return [first, second];
}
