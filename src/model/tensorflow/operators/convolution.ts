import * as tf from '@tensorflow/tfjs-core';
import { type OperatorMaker, unsupported } from '../operator.ts';
import { tensorValue, withChannelsLast } from '../value.ts';
import { type Pair, planarWindow } from './window.ts';

/** Name of the attribute by which a Conv takes the Relu that followed it; none of ONNX's own. */
export const FUSED_RELU = 'circumplex.relu';

/** Two-dimensional convolution with constant weights, [out, in / group, height, width] in the file. */
export const conv: OperatorMaker = ({ node, attributes, constant, keep }) => {
  const weights = constant(1);
  const bias = constant(2);
  if (weights?.kind !== 'floats' || (node.inputs[2] && bias?.kind !== 'floats')) {
    throw unsupported(node, 'has weights that are computed');
  }
  const [outputs = 0, inputsOfGroup = 0, height = 0, width = 0] = weights.shape;
  const { strides, dilations, pads } = planarWindow(node, attributes, [height, width]);
  const group = attributes.number('group', 1);
  const activation = attributes.number(FUSED_RELU, 0) === 1 ? 'relu' : 'linear';
  const kept = bias === undefined ? {} : { bias: keep(() => tf.tensor1d(bias.values as Float32Array)) };
  const options = { strides, dilations, activation, ...kept } as const;
  const stored = (): tf.Tensor4D => tf.tensor4d(weights.values, [outputs, inputsOfGroup, height, width]);

  if (group === 1) {
    const filter = keep(() => tf.transpose(stored(), [2, 3, 1, 0]));
    const pad: [Pair, Pair, Pair, Pair] = [[0, 0], pads.vertical, pads.horizontal, [0, 0]];
    return (inputs) =>
      tensorValue(tf.fused.conv2d({ x: withChannelsLast(inputs.value(0)), filter, pad, ...options }), true);
  }
  if (inputsOfGroup === 1) {
    const filter = keep(() => {
      const byChannel = tf.reshape(stored(), [group, outputs / group, height, width]) as tf.Tensor4D;
      return tf.transpose(byChannel, [2, 3, 0, 1]);
    });
    return (inputs) => {
      const x = pads.around(withChannelsLast(inputs.value(0)), 0);
      return tensorValue(tf.fused.depthwiseConv2d({ x, filter, pad: 'valid', ...options }), true);
    };
  }
  throw unsupported(node, `has ${group} groups of ${inputsOfGroup} channels`);
};
