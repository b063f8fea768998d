import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type OperatorMaker, unsupported } from '../operator.ts';
import { inOneOrder, tensorValue, type Value } from '../value.ts';
import { broadcastIntegers } from './integers.ts';

/** Each number alone. */
function map(compute: (tensor: Tensor) => Tensor): OperatorMaker {
  return () => (inputs) => {
    const { tensor, channelsLast } = inputs.tensorValue(0);
    return tensorValue(compute(tensor), channelsLast);
  };
}

/** Pairs of numbers, broadcast; `ofIntegers` is the same for sizes. */
function combine(
  compute: (left: Tensor, right: Tensor) => Tensor,
  ofIntegers?: (left: number, right: number) => number,
): OperatorMaker {
  return () => (inputs) =>
    inputs.all().reduce((left, right): Value => {
      if (left.kind === 'integers' && right.kind === 'integers' && ofIntegers !== undefined) {
        return broadcastIntegers([left, right], ([one = 0, other = 0]) => ofIntegers(one, other));
      }
      const { tensors, channelsLast } = inOneOrder([left, right]);
      return tensorValue(compute(tensors[0]!, tensors[1]!), channelsLast);
    });
}

/** Value of a comparison among sizes. */
function bit(truth: boolean): number {
  return truth ? 1 : 0;
}

const clip: OperatorMaker = ({ constant, node }) => {
  const bound = (index: number, absent: number): number => {
    if (!node.inputs[index]) return absent;
    const value = constant(index)?.values[0];
    if (value === undefined) throw unsupported(node, 'has a bound that is computed');
    return value;
  };
  const low = bound(1, Number.NEGATIVE_INFINITY);
  const high = bound(2, Number.POSITIVE_INFINITY);
  return (inputs) => {
    const { tensor, channelsLast } = inputs.tensorValue(0);
    return tensorValue(tf.clipByValue(tensor, low, high), channelsLast);
  };
};

const where: OperatorMaker = () => (inputs) => {
  const operands = [inputs.value(0), inputs.value(1), inputs.value(2)];
  if (operands.every((value) => value.kind === 'integers')) {
    return broadcastIntegers(operands, ([condition, one = 0, other = 0]) => (condition ? one : other));
  }
  const { tensors, channelsLast } = inOneOrder(operands);
  const [condition, one, other] = tensors;
  return tensorValue(tf.where(tf.cast(condition!, 'bool'), one!, other!), channelsLast);
};

export const ELEMENTWISE: Readonly<Record<string, OperatorMaker>> = {
  Abs: map(tf.abs),
  Ceil: map(tf.ceil),
  Cos: map(tf.cos),
  Dropout: map((tensor) => tensor),
  Erf: map(tf.erf),
  Exp: map(tf.exp),
  Floor: map(tf.floor),
  Identity: () => (inputs) => inputs.value(0),
  Log: map(tf.log),
  Neg: map(tf.neg),
  Reciprocal: map(tf.reciprocal),
  Relu: map(tf.relu),
  Sigmoid: map(tf.sigmoid),
  Sin: map(tf.sin),
  Softplus: map(tf.softplus),
  Sqrt: map(tf.sqrt),
  Tanh: map(tf.tanh),

  Elu: (setting) => {
    setting.attributes.mustBe('alpha', 1);
    return map(tf.elu)(setting);
  },
  HardSigmoid: (setting) => {
    const alpha = setting.attributes.number('alpha', 0.2);
    const beta = setting.attributes.number('beta', 0.5);
    return map((tensor) => tf.clipByValue(tf.add(tf.mul(tensor, alpha), beta), 0, 1))(setting);
  },
  HardSwish: map((tensor) => tf.mul(tensor, tf.clipByValue(tf.add(tf.div(tensor, 6), 0.5), 0, 1))),
  LeakyRelu: (setting) => {
    const alpha = setting.attributes.number('alpha', 0.01);
    return map((tensor) => tf.leakyRelu(tensor, alpha))(setting);
  },
  Clip: clip,

  Add: combine(tf.add, (left, right) => left + right),
  Sub: combine(tf.sub, (left, right) => left - right),
  Mul: combine(tf.mul, (left, right) => left * right),
  // The standard leaves the quotient of negative sizes open; all engines cut towards zero.
  Div: combine(tf.div, (left, right) => Math.trunc(left / right)),
  Max: combine(tf.maximum, Math.max),
  Min: combine(tf.minimum, Math.min),
  Pow: combine(tf.pow),
  PRelu: combine((tensor, slope) => tf.add(tf.relu(tensor), tf.mul(slope, tf.minimum(tensor, 0)))),
  Equal: combine(tf.equal, (left, right) => bit(left === right)),
  Greater: combine(tf.greater, (left, right) => bit(left > right)),
  Less: combine(tf.less, (left, right) => bit(left < right)),
  Where: where,
};
