import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type OperatorMaker, unsupported } from '../operator.ts';
import { tensorValue } from '../value.ts';

/** alpha * A * B + beta * C over matrices; constants are brought into the order that the product wants once. */
export const gemm: OperatorMaker = ({ attributes, constant, keep, node }) => {
  const alpha = attributes.number('alpha', 1);
  const beta = attributes.number('beta', 1);
  const transposeA = attributes.number('transA', 0) === 1;
  const transposeB = attributes.number('transB', 0) === 1;
  const weights = constant(1);
  if (weights !== undefined && (weights.kind !== 'floats' || weights.shape.length !== 2)) {
    throw unsupported(node, 'multiplies with something other than a matrix of numbers');
  }
  const prepare = (b: Tensor): Tensor => scaled(transposeB ? tf.transpose(b) : b, alpha);
  const kept =
    weights === undefined
      ? undefined
      : keep(() => prepare(tf.tensor(weights.values as Float32Array, [...weights.shape], 'float32')).clone());
  return (inputs) => {
    const a = inputs.tensor(0);
    const product = tf.matMul(transposeA ? tf.transpose(a) : a, kept ?? prepare(inputs.tensor(1)));
    return tensorValue(inputs.has(2) ? tf.add(product, scaled(inputs.tensor(2), beta)) : product);
  };
};

/** The product of stacks of matrices, as numpy's matmul does it. */
export const matMul: OperatorMaker = () => (inputs) => {
  const a = inputs.tensor(0);
  const b = inputs.tensor(1);
  const left = a.rank === 1 ? tf.expandDims(a, 0) : a;
  const right = b.rank === 1 ? tf.expandDims(b, 1) : b;
  const product = multiply(left, right);
  const outer = a.rank === 1 ? tf.squeeze(product, [product.rank - 2]) : product;
  return tensorValue(b.rank === 1 ? tf.squeeze(outer, [outer.rank - 1]) : outer);
};

function multiply(a: Tensor, b: Tensor): Tensor {
  if (a.rank === 2 && b.rank === 2) return tf.matMul(a, b);
  if (b.rank === 2) {
    // One matrix for all of a stack: a single product of the stack's rows is several times as fast.
    const inner = a.shape.at(-1) ?? 1;
    const rows = tf.reshape(a, [-1, inner]);
    return tf.reshape(tf.matMul(rows, b), [...a.shape.slice(0, -1), b.shape[1] ?? 1]);
  }
  // The wasm backend (4.22) repeats the wrong matrices where stacks of several dimensions differ in one of them.
  const stack = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [left, right] = [a, b].map((tensor) => tf.broadcastTo(tensor, [...stack, ...tensor.shape.slice(-2)]));
  return tf.matMul(left!, right!);
}

function scaled(tensor: Tensor, factor: number): Tensor {
  return factor === 1 ? tensor : tf.mul(tensor, factor);
}
