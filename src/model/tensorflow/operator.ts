/** What an operator of the graph is given and what it has to give. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { AppError } from '../../errors.ts';
import type { AttributeValue, Constant, OnnxNode } from './onnx-graph.ts';
import { inOnnxOrder, type TensorValue, type Value } from './value.ts';

/**
 * Makes the operator for one node, once, when the model is loaded. What it works out of constants there (weights in
 * another order) it hands to `keep`, and it lives as long as the model.
 * Throws {@link unsupported} for what it cannot do.
 */
export type OperatorMaker = (setting: OperatorSetting) => Operator;

/** Computes the node's outputs. Called within `tf.tidy`: it disposes of nothing, and what it does not return is freed. */
export type Operator = (inputs: Inputs) => Value | readonly Value[];

export interface OperatorSetting {
  readonly node: OnnxNode;
  readonly attributes: Attributes;
  /** The constant that is this input, `undefined` where the input is computed or left out. */
  constant(index: number): Constant | undefined;
  /** Makes a tensor that lives as long as the model. */
  keep<T extends Tensor>(make: () => T): T;
}

/** A model that this engine cannot run: the message names the operator, so that its maker knows what to change. */
export function unsupported(node: OnnxNode, what: string): AppError {
  return new AppError(
    'ENGINE_UNAVAILABLE',
    `The engine tensorflow cannot run this model: its operation ${node.operator} (${node.name}) ${what}. ` +
      'Set ENGINE=onnxruntime.',
  );
}

/** A node's settings, each with the default of the standard. */
export class Attributes {
  readonly #node: OnnxNode;

  constructor(node: OnnxNode) {
    this.#node = node;
  }

  number(name: string, absent: number): number {
    return this.#read(name, absent, (value) => typeof value === 'number');
  }

  text(name: string, absent: string): string {
    return this.#read(name, absent, (value) => typeof value === 'string');
  }

  numbers(name: string): readonly number[] | undefined;
  numbers(name: string, absent: readonly number[]): readonly number[];
  numbers(name: string, absent?: readonly number[]): readonly number[] | undefined {
    return this.#read(name, absent, (value) => Array.isArray(value));
  }

  tensor(name: string): Constant | undefined {
    return this.#read<Constant | undefined>(name, undefined, (value) => typeof value === 'object' && 'kind' in value);
  }

  /** For what only has to be as it is by default. */
  mustBe(name: string, allowed: string | number): void {
    const value = this.#node.attributes.get(name);
    if (value !== undefined && value !== allowed) throw unsupported(this.#node, `has ${name} = ${String(value)}`);
  }

  #read<T>(name: string, absent: T, fits: (value: AttributeValue) => boolean): T {
    const value = this.#node.attributes.get(name);
    if (value === undefined) return absent;
    if (!fits(value)) throw unsupported(this.#node, `has a value of the wrong kind for ${name}`);
    return value as T;
  }
}

/** A node's inputs in one run. */
export class Inputs {
  readonly #node: OnnxNode;
  readonly #read: (name: string) => Value;

  constructor(node: OnnxNode, read: (name: string) => Value) {
    this.#node = node;
    this.#read = read;
  }

  get count(): number {
    return this.#node.inputs.length;
  }

  all(): Value[] {
    return Array.from({ length: this.count }, (_, index) => this.value(index));
  }

  has(index: number): boolean {
    return (this.#node.inputs[index] ?? '') !== '';
  }

  value(index: number): Value {
    if (!this.has(index)) throw unsupported(this.#node, `lacks its input ${index}`);
    return this.#read(this.#node.inputs[index]!);
  }

  /** The input as a tensor in ONNX's order. */
  tensor(index: number): Tensor {
    return inOnnxOrder(this.value(index));
  }

  /** The input as a tensor in whatever order it lies. */
  tensorValue(index: number): TensorValue {
    const value = this.value(index);
    return value.kind === 'tensor' ? value : { kind: 'tensor', tensor: inOnnxOrder(value), channelsLast: false };
  }

  /** Sizes or axes. They have to follow from shapes and constants: nothing is read back from the device in mid-run. */
  integers(index: number): readonly number[] {
    const value = this.value(index);
    if (value.kind === 'integers') return value.values;
    throw unsupported(this.#node, 'takes a size that is computed from the picture');
  }
}
