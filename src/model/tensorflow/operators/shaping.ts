import * as tf from '@tensorflow/tfjs-core';
import { ELEMENT } from '../onnx-messages.ts';
import { type Inputs, type OperatorMaker, unsupported } from '../operator.ts';
import {
  axisInMemory,
  axisOf,
  inOnnxOrder,
  integersValue,
  shapeOf,
  tensorValue,
  type Value,
  withChannelsLast,
} from '../value.ts';
import { slicedIndices } from './integers.ts';

/** The same numbers in another shape, which `shapeFor` works out of the present one. */
function reshaped(shapeFor: (shape: readonly number[], inputs: Inputs) => readonly number[]): OperatorMaker {
  return () => (inputs) => {
    const value = inputs.value(0);
    const wanted = shapeFor(shapeOf(value), inputs);
    if (value.kind === 'tensor') return tensorValue(tf.reshape(inOnnxOrder(value), [...wanted]));
    const known = product(wanted.filter((side) => side !== -1));
    return integersValue(
      wanted.map((side) => (side === -1 ? value.values.length / known : side)),
      value.values,
    );
  };
}

const reshape: OperatorMaker = (setting) => {
  const zeroIsZero = setting.attributes.number('allowzero', 0) === 1;
  return reshaped((shape, inputs) =>
    inputs.integers(1).map((side, axis) => (side === 0 && !zeroIsZero ? (shape[axis] ?? 0) : side)),
  )(setting);
};

const flatten: OperatorMaker = (setting) => {
  const axis = setting.attributes.number('axis', 1);
  return reshaped((shape) => {
    const place = axisOf(axis, shape.length);
    return [product(shape.slice(0, place)), product(shape.slice(place))];
  })(setting);
};

const squeeze = reshaped((shape, inputs) => {
  const axes = inputs.has(1) ? inputs.integers(1).map((axis) => axisOf(axis, shape.length)) : null;
  return shape.filter((side, axis) => (axes === null ? side !== 1 : !axes.includes(axis)));
});

const unsqueeze = reshaped((shape, inputs) => {
  const given = inputs.integers(1);
  const rank = shape.length + given.length;
  const axes = given.map((axis) => axisOf(axis, rank));
  const rest = [...shape];
  return Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : (rest.shift() ?? 1)));
});

const transpose: OperatorMaker = ({ attributes }) => {
  const given = attributes.numbers('perm');
  return (inputs) => {
    const value = inputs.tensorValue(0);
    const order = given ?? Array.from({ length: value.tensor.rank }, (_, axis) => axis).toReversed();
    // From memory straight to the wanted order, in one go.
    return tensorValue(
      tf.transpose(
        value.tensor,
        order.map((axis) => axisInMemory(value, axis)),
      ),
    );
  };
};

const shape: OperatorMaker = ({ attributes }) => {
  const start = attributes.number('start', 0);
  const end = attributes.number('end', Number.POSITIVE_INFINITY);
  return (inputs) => {
    const sides = shapeOf(inputs.value(0)).slice(start, end);
    return integersValue([sides.length], sides);
  };
};

const concat: OperatorMaker = ({ attributes, node }) => {
  const axis = attributes.number('axis', 0);
  return (inputs) => {
    const values = inputs.all();
    if (values.every((value) => value.kind === 'integers')) {
      if (values.some((value) => value.shape.length !== 1)) throw unsupported(node, 'joins sizes that are no lists');
      const joined = values.flatMap((value) => value.values);
      return integersValue([joined.length], joined);
    }
    const channelsLast = values.some((value) => value.kind === 'tensor' && value.channelsLast);
    const tensors = values.map((value): tf.Tensor => (channelsLast ? withChannelsLast(value) : inOnnxOrder(value)));
    const place = axisInMemory({ kind: 'tensor', tensor: tensors[0]!, channelsLast }, axis);
    return tensorValue(tf.concat(tensors, place), channelsLast);
  };
};

/** data, starts, ends, axes, steps. */
const slice: OperatorMaker =
  ({ node }) =>
  (inputs) => {
    const value = inputs.value(0);
    const sides = shapeOf(value);
    const starts = inputs.integers(1);
    const ends = inputs.integers(2);
    const axes = inputs.has(3) ? inputs.integers(3).map((axis) => axisOf(axis, sides.length)) : [...starts.keys()];
    const steps = inputs.has(4) ? inputs.integers(4) : starts.map(() => 1);
    const indicesOf = (position: number): number[] =>
      slicedIndices(sides[axes[position]!] ?? 0, [starts[position]!, ends[position]!, steps[position]!]);

    if (value.kind === 'integers') {
      if (sides.length !== 1) throw unsupported(node, 'cuts sizes that are no list');
      const taken = axes.length === 0 ? [...value.values] : indicesOf(0).map((index) => value.values[index]!);
      return integersValue([taken.length], taken);
    }
    let { tensor } = value;
    for (const position of axes.keys()) {
      const indices = indicesOf(position);
      const place = axisInMemory(value, axes[position]!);
      if (steps[position] === 1) {
        const begin = tensor.shape.map((_, axis) => (axis === place ? (indices[0] ?? 0) : 0));
        tensor = tf.slice(
          tensor,
          begin,
          tensor.shape.map((side, axis) => (axis === place ? indices.length : side)),
        );
      } else {
        tensor = tf.gather(tensor, tf.tensor1d(indices, 'int32'), place);
      }
    }
    return tensorValue(tensor, value.channelsLast);
  };

const split: OperatorMaker = ({ node, attributes }) => {
  const axis = attributes.number('axis', 0);
  return (inputs) => {
    const value = inputs.tensorValue(0);
    const place = axisInMemory(value, axis);
    const side = value.tensor.shape[place] ?? 0;
    const sizes = inputs.has(1) ? [...inputs.integers(1)] : node.outputs.map(() => side / node.outputs.length);
    return tf.split(value.tensor, sizes, place).map((part) => tensorValue(part, value.channelsLast));
  };
};

const gather: OperatorMaker = ({ node, attributes }) => {
  const axis = attributes.number('axis', 0);
  return (inputs) => {
    const value = inputs.value(0);
    const indices = inputs.value(1);
    if (indices.kind !== 'integers') throw unsupported(node, 'takes an index that is computed from the picture');
    const sides = shapeOf(value);
    const place = axisOf(axis, sides.length);
    const counted = indices.values.map((index) => axisOf(index, sides[place] ?? 0));
    if (value.kind === 'integers') {
      if (sides.length !== 1) throw unsupported(node, 'takes from sizes that are no list');
      return integersValue(
        indices.shape,
        counted.map((index) => value.values[index]!),
      );
    }
    const taken = tf.gather(inOnnxOrder(value), tf.tensor1d(counted, 'int32'), place);
    return tensorValue(tf.reshape(taken, [...sides.slice(0, place), ...indices.shape, ...sides.slice(place + 1)]));
  };
};

const expand: OperatorMaker = () => (inputs) => {
  const tensor = inputs.tensor(0);
  const wanted = inputs.integers(1);
  // Either side may be the longer one, and a 1 among the wanted sides leaves what is there.
  const ones = tf.ones([...wanted]);
  return tensorValue(tf.mul(tensor, ones));
};

const pad: OperatorMaker = ({ node, attributes, constant }) => {
  attributes.mustBe('mode', 'constant');
  const fill = constant(2)?.values[0] ?? 0;
  if (node.inputs[2] && constant(2) === undefined) throw unsupported(node, 'fills with a number that is computed');
  return (inputs) => {
    const value = inputs.tensorValue(0);
    const { rank } = value.tensor;
    const widths = inputs.integers(1);
    if (widths.some((width) => width < 0)) throw unsupported(node, 'cuts instead of padding');
    const borders = Array<[number, number]>(rank).fill([0, 0]);
    for (let axis = 0; axis < rank; axis += 1) {
      borders[axisInMemory(value, axis)] = [widths[axis] ?? 0, widths[axis + rank] ?? 0];
    }
    return tensorValue(tf.pad(value.tensor, borders, fill), value.channelsLast);
  };
};

const constantOfShape: OperatorMaker = ({ attributes }) => {
  const filling = attributes.tensor('value');
  const fill = filling?.values[0] ?? 0;
  return (inputs) => {
    const sides = inputs.integers(0);
    if (filling?.kind === 'integers') return integersValue(sides, Array<number>(product(sides)).fill(fill));
    return tensorValue(tf.fill([...sides], fill));
  };
};

const cast: OperatorMaker = ({ node, attributes }) => {
  const to = attributes.number('to', 0);
  const whole = to === ELEMENT.INT64 || to === ELEMENT.INT32;
  if (!whole && to !== ELEMENT.FLOAT) throw unsupported(node, `casts to the ONNX type ${to}`);
  return (inputs): Value => {
    const value = inputs.value(0);
    if (value.kind === 'integers') return whole ? value : tensorValue(tf.cast(inOnnxOrder(value), 'float32'));
    return tensorValue(tf.cast(value.tensor, whole ? 'int32' : 'float32'), value.channelsLast);
  };
};

function product(sides: readonly number[]): number {
  return sides.reduce((all, side) => all * side, 1);
}

export const SHAPING: Readonly<Record<string, OperatorMaker>> = {
  Cast: cast,
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  Pad: pad,
  Reshape: reshape,
  Shape: shape,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
