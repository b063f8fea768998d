import * as tf from '@tensorflow/tfjs-core';
import { type OperatorMaker, type OperatorSetting, unsupported } from '../operator.ts';
import { tensorValue } from '../value.ts';

/** One direction's weights, in the order that products want: I inputs, H states, gates in ONNX's order i, o, f, c. */
interface Direction {
  readonly backwards: boolean;
  readonly weights: tf.Tensor2D; // I 4H
  readonly recurrence: tf.Tensor2D; // H 4H
  readonly bias: tf.Tensor1D; // 4H
}

/** Of T steps with B rows: all states T B H, the last state B H and the last cell B H. */
interface Course {
  readonly states: tf.Tensor3D;
  readonly lastState: tf.Tensor2D;
  readonly lastCell: tf.Tensor2D;
}

/** LSTM over sequences of full length with its usual activations: X is T B I, the outputs are T D B H, D B H, D B H. */
export const lstm: OperatorMaker = (setting) => {
  const { node, attributes } = setting;
  attributes.mustBe('layout', 0);
  attributes.mustBe('input_forget', 0);
  for (const name of ['activations', 'clip']) {
    if (node.attributes.has(name)) throw unsupported(node, `has ${name} of its own`);
  }
  const direction = attributes.text('direction', 'forward');
  const backwards = { forward: [false], reverse: [true], bidirectional: [false, true] }[direction];
  if (backwards === undefined) throw unsupported(node, `has direction = ${direction}`);
  const directions = backwards.map((back, index) => readDirection(setting, index, back));

  return (inputs) => {
    if (inputs.has(4) || inputs.has(7)) throw unsupported(node, 'has sequences of several lengths, or peepholes');
    const steps = inputs.tensor(0) as tf.Tensor3D;
    const courses = directions.map((one, index) =>
      run(steps, one, {
        state: inputs.has(5) ? pick(inputs.tensor(5), index) : undefined,
        cell: inputs.has(6) ? pick(inputs.tensor(6), index) : undefined,
      }),
    );
    return [
      tensorValue(
        tf.stack(
          courses.map(({ states }) => states),
          1,
        ),
      ),
      tensorValue(tf.stack(courses.map(({ lastState }) => lastState))),
      tensorValue(tf.stack(courses.map(({ lastCell }) => lastCell))),
    ];
  };
};

function readDirection({ node, constant, keep }: OperatorSetting, index: number, backwards: boolean): Direction {
  const part = (input: number): tf.Tensor | undefined => {
    const stored = constant(input);
    if (stored === undefined && !node.inputs[input]) return undefined;
    if (stored?.kind !== 'floats') throw unsupported(node, 'has weights that are computed');
    return pick(tf.tensor(stored.values, [...stored.shape], 'float32'), index);
  };
  const matrix = (input: number): tf.Tensor2D => {
    const found = part(input); // 4H I or 4H H
    if (found === undefined) throw unsupported(node, `lacks its input ${input}`);
    return tf.transpose(found as tf.Tensor2D);
  };
  return {
    backwards,
    weights: keep(() => matrix(1)),
    recurrence: keep(() => matrix(2)),
    bias: keep(() => {
      const biases = part(3); // 8H: of W, then of R
      return biases === undefined ? tf.zeros([1]) : tf.sum(tf.reshape(biases, [2, -1]), 0);
    }),
  };
}

function run(
  steps: tf.Tensor3D,
  { backwards, weights, recurrence, bias }: Direction,
  first: { readonly state: tf.Tensor | undefined; readonly cell: tf.Tensor | undefined },
): Course {
  const [length, rows, size] = steps.shape;
  const width = recurrence.shape[0];
  // What the inputs add to the gates, for all steps in one product: T tensors of B 4H.
  const rowsOfAll = tf.reshape(steps, [length * rows, size]) as tf.Tensor2D;
  const added = tf.add(tf.matMul(rowsOfAll, weights), bias);
  const fromInputs = tf.unstack(tf.reshape(added, [length, rows, 4 * width])) as tf.Tensor2D[];
  let state = (first.state ?? tf.zeros([rows, width])) as tf.Tensor2D;
  let cell = (first.cell ?? tf.zeros([rows, width])) as tf.Tensor2D;
  const states: tf.Tensor2D[] = [];
  for (const fromInput of backwards ? fromInputs.toReversed() : fromInputs) {
    const gates = tf.add(fromInput, tf.matMul(state, recurrence));
    const [input, output, forget] = tf.split(tf.sigmoid(tf.slice(gates, [0, 0], [rows, 3 * width])), 3, 1);
    const proposal = tf.tanh(tf.slice(gates, [0, 3 * width], [rows, width]));
    cell = tf.add(tf.mul(forget!, cell), tf.mul(input!, proposal));
    state = tf.mul(output!, tf.tanh(cell));
    states.push(state);
  }
  return {
    states: tf.stack(backwards ? states.toReversed() : states) as tf.Tensor3D,
    lastState: state,
    lastCell: cell,
  };
}

/** One direction's part of what is given for all. */
function pick(tensor: tf.Tensor, direction: number): tf.Tensor {
  return tf.squeeze(tf.gather(tensor, tf.tensor1d([direction], 'int32')), [0]);
}
