/** Writes a small ONNX file: nodes, constants, typed inputs and outputs. The field numbers are those of onnx.proto. */
import protobuf from 'protobufjs';

const SCHEMA = `syntax = "proto3";
message Attribute { string name = 1; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
message Node { repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; repeated Attribute attribute = 5; }
message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message ValueInfo { string name = 1; Type type = 2; }
message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
message Opset { string domain = 1; int64 version = 2; }
message Model { int64 ir_version = 1; string producer_name = 2; Graph graph = 7; repeated Opset opset_import = 8; }`;
const Model = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('Model');

/** onnx.proto's numbers of element types and of attribute types. */
const FLOAT = 1;
const UINT8 = 2;
const INT64 = 7;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;
const IR_VERSION = 8;
const OPSET = 17;

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
    this.#inputs.push(valueInfo(name, type === 'uint8' ? UINT8 : FLOAT, shape));
  }

  output(name: string, shape: readonly (number | string)[]): void {
    this.#outputs.push(valueInfo(name, FLOAT, shape));
  }

  floats(name: string, dims: readonly number[], values: ArrayLike<number>): string {
    return this.#constant(name, dims, FLOAT, new Uint8Array(Float32Array.from(values).buffer));
  }

  integers(name: string, values: readonly number[]): string {
    const bytes = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    return this.#constant(name, [values.length], INT64, bytes);
  }

  add(
    op: string,
    input: readonly string[],
    output: string,
    attributes: Readonly<Record<string, number | readonly number[]>> = {},
  ): void {
    const attribute = Object.entries(attributes).map(([name, value]) =>
      typeof value === 'number' ? { name, i: value, type: ATTRIBUTE_INT } : { name, ints: value, type: ATTRIBUTE_INTS },
    );
    this.#nodes.push({ input, output: [output], name: output, op_type: op, attribute });
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
    return Model.encode(
      Model.create({ ir_version: IR_VERSION, producer_name: 'circumplex', graph, opset_import }),
    ).finish();
  }

  #constant(name: string, dims: readonly number[], data_type: number, raw_data: Uint8Array): string {
    if (!this.#constants.has(name)) this.#constants.set(name, { dims, data_type, name, raw_data });
    return name;
  }
}

function valueInfo(name: string, elem_type: number, shape: readonly (number | string)[]): object {
  const dim = shape.map((side) => (typeof side === 'number' ? { dim_value: side } : { dim_param: side }));
  return { name, type: { tensor_type: { elem_type, shape: { dim } } } };
}
