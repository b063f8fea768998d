import * as tf from '@tensorflow/tfjs-core';
import { type Inputs, type OperatorMaker, unsupported } from '../operator.ts';
import { shapeOf, tensorValue, withChannelsLast } from '../value.ts';

/** How each of ONNX's ways to place the pixels is said to TensorFlow: [alignCorners, halfPixelCenters]. */
const PLACES: Readonly<Record<string, readonly [boolean, boolean]>> = {
  half_pixel: [false, true],
  // Differs from half_pixel for pictures of one pixel alone, which are refused.
  pytorch_half_pixel: [false, true],
  align_corners: [true, false],
  asymmetric: [false, false],
};

/** Scales pictures, bilinear or (as PyTorch's `nearest` does it) by the pixel to the upper left. */
export const resize: OperatorMaker = ({ node, attributes, constant }) => {
  const mode = attributes.text('mode', 'nearest');
  const coordinates = attributes.text('coordinate_transformation_mode', 'half_pixel');
  const [alignCorners, halfPixelCenters] = PLACES[coordinates] ?? [];
  if (alignCorners === undefined || halfPixelCenters === undefined || (mode !== 'linear' && mode !== 'nearest')) {
    throw unsupported(node, `has mode = ${mode}, coordinate_transformation_mode = ${coordinates}`);
  }
  const rounding = attributes.text('nearest_mode', 'round_prefer_floor');
  if (mode === 'nearest' && (coordinates !== 'asymmetric' || rounding !== 'floor')) {
    throw unsupported(node, `has nearest_mode = ${rounding}, coordinate_transformation_mode = ${coordinates}`);
  }
  const scales = constant(2);

  function wanted(inputs: Inputs, shape: readonly number[]): readonly number[] {
    if (inputs.has(3)) return inputs.integers(3);
    if (scales?.kind !== 'floats') throw unsupported(node, 'has scales that are computed');
    const exact = shape.map((side, axis) => side * (scales.values[axis] ?? 0));
    // Otherwise the scale that ONNX reads and the one that follows from the sizes would differ.
    if (!exact.every(Number.isInteger)) throw unsupported(node, 'has scales that give no whole number of pixels');
    return exact;
  }

  return (inputs) => {
    const value = inputs.value(0);
    const shape = shapeOf(value);
    const [batch, channels, height = 0, width = 0, ...more] = wanted(inputs, shape);
    if (shape.length !== 4 || more.length > 0 || batch !== shape[0] || channels !== shape[1]) {
      throw unsupported(node, 'scales more than height and width');
    }
    if (coordinates === 'pytorch_half_pixel' && (height === 1 || width === 1)) {
      throw unsupported(node, 'scales down to one pixel');
    }
    const picture = withChannelsLast(value);
    if (height === shape[2] && width === shape[3]) return tensorValue(picture, true);
    const size: [number, number] = [height, width];
    const scaled =
      mode === 'linear'
        ? tf.image.resizeBilinear(picture, size, alignCorners, halfPixelCenters)
        : tf.image.resizeNearestNeighbor(picture, size);
    return tensorValue(scaled, true);
  };
};
