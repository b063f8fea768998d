/** Writes a small ONNX file: nodes, constants, typed inputs and outputs. */
import { ATTRIBUTE, ELEMENT, OnnxModel } from '../src/model/tensorflow/onnx-messages.ts';

const IR_VERSION = 8;
const OPSET = 17;

/** Numbers are whole ones; others say so. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** Collects a graph; constants are added by name once and referred to by the name that is returned. */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: object[] = [];
  readonly #constants = new Map<string, object>();
  readonly #inputs: object[] = [];
  readonly #outputs: object[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** A side given as text is dynamic. */
  input(name: string, type: 'uint8' | 'float32', shape: readonly (number | string)[]): void {
    this.#inputs.push(valueInfo(name, type === 'uint8' ? ELEMENT.UINT8 : ELEMENT.FLOAT, shape));
  }

  /** Without a shape the engine works it out. */
  output(name: string, shape: readonly (number | string)[] | null): void {
    this.#outputs.push(valueInfo(name, ELEMENT.FLOAT, shape));
  }

  floats(name: string, dims: readonly number[], values: ArrayLike<number>): string {
    return this.#constant(name, dims, ELEMENT.FLOAT, new Uint8Array(Float32Array.from(values).buffer));
  }

  integers(name: string, values: readonly number[]): string {
    const bytes = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    return this.#constant(name, [values.length], ELEMENT.INT64, bytes);
  }

  /** An input that is left out is an empty text. */
  add(
    op: string,
    input: readonly string[],
    output: string | readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): void {
    const attribute = Object.entries(attributes).map(([name, value]) => ({ name, ...attributeFields(value) }));
    const outputs = typeof output === 'string' ? [output] : output;
    this.#nodes.push({ input, output: outputs, name: outputs[0], op_type: op, attribute });
  }

  encode(): Uint8Array {
    const graph = {
      node: this.#nodes,
      name: this.#name,
      initializer: [...this.#constants.values()],
      input: this.#inputs,
      output: this.#outputs,
    };
    const opset_import = [{ domain: '', version: OPSET }];
    return OnnxModel.encode(
      OnnxModel.create({ ir_version: IR_VERSION, producer_name: 'circumplex', graph, opset_import }),
    ).finish();
  }

  #constant(name: string, dims: readonly number[], data_type: number, raw_data: Uint8Array): string {
    if (!this.#constants.has(name)) this.#constants.set(name, { dims, data_type, name, raw_data });
    return name;
  }
}

function attributeFields(value: Attribute): object {
  if (typeof value === 'number') return { i: value, type: ATTRIBUTE.INT };
  if (typeof value === 'string') return { s: new TextEncoder().encode(value), type: ATTRIBUTE.STRING };
  if ('float' in value) return { f: value.float, type: ATTRIBUTE.FLOAT };
  return { ints: value, type: ATTRIBUTE.INTS };
}

function valueInfo(name: string, elem_type: number, shape: readonly (number | string)[] | null): object {
  if (shape === null) return { name, type: { tensor_type: { elem_type } } };
  const dim = shape.map((side) => (typeof side === 'number' ? { dim_value: side } : { dim_param: side }));
  return { name, type: { tensor_type: { elem_type, shape: { dim } } } };
}
