/** Sizes, axes and indices are few and worked out here. */
import { type IntegersValue, integersValue } from '../value.ts';

/** Combines lists of one length, or with a single number that goes with all. */
export function broadcastIntegers(
  operands: readonly IntegersValue[],
  compute: (numbers: readonly number[]) => number,
): IntegersValue {
  const longest = operands.reduce((one, other) => (other.shape.length > one.shape.length ? other : one));
  const length = Math.max(...operands.map(({ values }) => values.length));
  const shape = longest.shape.length === 0 ? [] : [length];
  if (
    operands.some(
      ({ shape: { length: rank }, values }) => rank > 1 || (values.length !== length && values.length !== 1),
    )
  ) {
    throw new Error('whole numbers in more than one dimension, or lists of different lengths');
  }
  const values = Array.from({ length }, (_, index) =>
    compute(operands.map(({ values }) => values[values.length === 1 ? 0 : index]!)),
  );
  return integersValue(shape, values);
}

/** The indices that a slice of an axis takes; `end` is not among them. Bounds count from the end where negative. */
export function slicedIndices(length: number, [start, end, step]: readonly [number, number, number]): number[] {
  const counted = (bound: number): number => (bound < 0 ? bound + length : bound);
  const indices: number[] = [];
  if (step > 0) {
    const last = Math.min(counted(end), length);
    for (let index = Math.max(0, counted(start)); index < last; index += step) indices.push(index);
  } else {
    const last = Math.max(counted(end), -1);
    for (let index = Math.min(counted(start), length - 1); index > last; index += step) indices.push(index);
  }
  return indices;
}
