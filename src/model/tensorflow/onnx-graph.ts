/** Reads an ONNX file into plain data: what is computed from what, with which constants. */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { ATTRIBUTE, ELEMENT, EXTERNAL_DATA, OnnxModel } from './onnx-messages.ts';

/** A tensor that the file holds. Whole numbers (sizes, axes, indices) are JavaScript numbers, because they steer. */
export type Constant =
  | { readonly kind: 'floats'; readonly shape: readonly number[]; readonly values: Float32Array }
  | { readonly kind: 'integers'; readonly shape: readonly number[]; readonly values: readonly number[] };

export type AttributeValue = number | string | readonly number[] | Constant;

export interface OnnxNode {
  /** For messages. */
  readonly name: string;
  /** `Conv`, or `com.example.Conv` where it is none of the standard's. */
  readonly operator: string;
  /** Names of values; an input that is left out is an empty text. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeValue>;
}

/** An input or output of the whole graph. `null` in its shape is a dimension that is free; it is empty where none is said. */
export interface OnnxPort {
  readonly name: string;
  readonly element: 'float32' | 'uint8' | 'other';
  readonly shape: readonly (number | null)[];
}

export interface OnnxGraph {
  /** In an order in which each value is made before it is used. */
  readonly nodes: readonly OnnxNode[];
  /** Of the file's initializers and of its `Constant` nodes, by name. */
  readonly constants: ReadonlyMap<string, Constant>;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

/** What these versions of the standard mean is what the operators here compute: an export of today has 17. */
const OPSETS = { min: 13, max: 17 };
/** More elements than any constant of a model that a crop's network could have. */
const MAX_ELEMENTS = 2 ** 28;

const text = z.string();
const texts = z.array(text);
const integer = z.number();
const bytes = z.instanceof(Uint8Array);
const tensorMessage = z.object({
  name: text,
  dims: z.array(z.number().int().min(0)),
  data_type: integer,
  float_data: z.array(z.number()),
  int32_data: z.array(integer),
  int64_data: z.array(integer),
  raw_data: bytes,
  data_location: integer,
});
const portMessage = z.object({
  name: text,
  type: z.object({
    tensor_type: z.object({
      elem_type: integer,
      shape: z.object({ dim: z.array(z.object({ dim_value: integer.optional() })) }).nullable(),
    }),
  }),
});
const attributeMessage = z.object({
  name: text,
  type: integer,
  f: z.number(),
  i: integer,
  s: bytes,
  t: tensorMessage.nullable(),
  floats: z.array(z.number()),
  ints: z.array(integer),
});
const modelMessage = z.object({
  opset_import: z.array(z.object({ domain: text, version: integer })),
  graph: z.object({
    node: z.array(
      z.object({
        name: text,
        op_type: text,
        domain: text,
        input: texts,
        output: texts,
        attribute: z.array(attributeMessage),
      }),
    ),
    initializer: z.array(tensorMessage),
    input: z.array(portMessage),
    output: z.array(portMessage),
  }),
});
type TensorMessage = z.infer<typeof tensorMessage>;

/** Errors: ENGINE_UNAVAILABLE when the bytes are no ONNX model, or one that is made for another version of the standard. */
export function readOnnx(file: Uint8Array): OnnxGraph {
  const { graph, opset_import } = parse(file);
  const opset = opset_import.find(({ domain }) => isStandard(domain))?.version ?? 0;
  if (opset < OPSETS.min || opset > OPSETS.max) {
    throw unreadable(
      `is made for version ${opset} of the ONNX operators, versions ${OPSETS.min} to ${OPSETS.max} are read`,
    );
  }
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, readTensor(tensor)] as const));
  const nodes: OnnxNode[] = [];
  for (const [index, { name, op_type, domain, input, output, attribute }] of graph.node.entries()) {
    const node: OnnxNode = {
      name: name === '' ? `number ${index}` : name,
      operator: isStandard(domain) ? op_type : `${domain}.${op_type}`,
      inputs: input,
      outputs: output,
      attributes: new Map(attribute.flatMap((one) => readAttribute(one))),
    };
    const [made = ''] = output;
    // PyTorch writes equal weights once, and everywhere else an Identity of them.
    const repeated = node.operator === 'Identity' ? constants.get(input[0] ?? '') : undefined;
    if (node.operator === 'Constant') constants.set(made, constantOf(node));
    else if (repeated !== undefined) constants.set(made, repeated);
    else nodes.push(node);
  }
  checkNames(nodes, [...graph.input.map((port) => port.name), ...constants.keys()], graph.output);
  return {
    nodes,
    constants,
    // Old files list their initializers among the inputs.
    inputs: graph.input.filter(({ name }) => !constants.has(name)).map(readPort),
    outputs: graph.output.map(readPort),
  };
}

function parse(file: Uint8Array): z.infer<typeof modelMessage> {
  let plain: unknown;
  try {
    plain = OnnxModel.toObject(OnnxModel.decode(file), { longs: Number, defaults: true, arrays: true });
  } catch (cause) {
    throw unreadable('cannot be decoded', cause);
  }
  const parsed = modelMessage.safeParse(plain);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unreadable(`is incomplete (${issue?.path.join('.')}: ${issue?.message})`, parsed.error);
}

function isStandard(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}

function readPort({ name, type }: z.infer<typeof portMessage>): OnnxPort {
  const { elem_type, shape } = type.tensor_type;
  const element = elem_type === ELEMENT.FLOAT ? 'float32' : elem_type === ELEMENT.UINT8 ? 'uint8' : 'other';
  return { name, element, shape: (shape?.dim ?? []).map(({ dim_value }) => dim_value ?? null) };
}

function readAttribute(attribute: z.infer<typeof attributeMessage>): [string, AttributeValue][] {
  const { name, type, f, i, s, t, floats, ints } = attribute;
  switch (type) {
    case ATTRIBUTE.FLOAT:
      return [[name, f]];
    case ATTRIBUTE.INT:
      return [[name, i]];
    case ATTRIBUTE.STRING:
      return [[name, new TextDecoder().decode(s)]];
    case ATTRIBUTE.TENSOR:
      return t === null ? [] : [[name, readTensor(t)]];
    case ATTRIBUTE.FLOATS:
      return [[name, floats]];
    case ATTRIBUTE.INTS:
      return [[name, ints]];
    default:
      // Graphs within graphs and the like: the operators that take them are not known here either, and say so.
      return [];
  }
}

function constantOf({ attributes, name }: OnnxNode): Constant {
  const [[kind, value] = ['nothing', 0] as const] = attributes;
  switch (kind) {
    case 'value':
      if (typeof value === 'object' && 'kind' in value) return value;
      break;
    case 'value_float':
      if (typeof value === 'number') return { kind: 'floats', shape: [], values: Float32Array.of(value) };
      break;
    case 'value_floats':
      if (Array.isArray(value)) return { kind: 'floats', shape: [value.length], values: Float32Array.from(value) };
      break;
    case 'value_int':
      if (typeof value === 'number') return { kind: 'integers', shape: [], values: [value] };
      break;
    case 'value_ints':
      if (Array.isArray(value)) return { kind: 'integers', shape: [value.length], values: value };
      break;
  }
  throw unreadable(`has a constant (${name}) of the kind ${kind}, which is not read`);
}

function readTensor(tensor: TensorMessage): Constant {
  const { dims, data_type, data_location, name } = tensor;
  const length = dims.reduce((product, side) => product * side, 1);
  if (data_location === EXTERNAL_DATA || length > MAX_ELEMENTS) {
    throw unreadable(`keeps the numbers of ${name} elsewhere or has too many of them`);
  }
  const constant: Constant | null =
    data_type === ELEMENT.FLOAT
      ? { kind: 'floats', shape: dims, values: readFloats(tensor) }
      : data_type === ELEMENT.INT64 || data_type === ELEMENT.INT32 || data_type === ELEMENT.BOOL
        ? { kind: 'integers', shape: dims, values: readIntegers(tensor) }
        : null;
  if (constant === null) throw unreadable(`has numbers (${name}) of the ONNX type ${data_type}, which is not read`);
  if (constant.values.length !== length) {
    throw unreadable(`has ${constant.values.length} numbers for ${name} of shape [${dims.join(', ')}]`);
  }
  return constant;
}

function readFloats({ raw_data, float_data }: TensorMessage): Float32Array {
  if (float_data.length > 0) return Float32Array.from(float_data);
  // Copied, because numbers may start anywhere in a file.
  return new Float32Array(new Uint8Array(raw_data).buffer, 0, Math.floor(raw_data.length / 4));
}

function readIntegers({ data_type, raw_data, int32_data, int64_data }: TensorMessage): number[] {
  if (int64_data.length > 0) return int64_data;
  if (int32_data.length > 0) return int32_data;
  const { buffer } = new Uint8Array(raw_data);
  if (data_type === ELEMENT.INT64)
    return Array.from(new BigInt64Array(buffer, 0, Math.floor(raw_data.length / 8)), Number);
  if (data_type === ELEMENT.INT32) return Array.from(new Int32Array(buffer, 0, Math.floor(raw_data.length / 4)));
  return Array.from(raw_data);
}

/** Each value must be there before it is used, or a run would fail in its middle. */
function checkNames(nodes: readonly OnnxNode[], given: readonly string[], outputs: readonly { name: string }[]): void {
  const known = new Set(given);
  const demand = (name: string, by: string): void => {
    if (name !== '' && !known.has(name)) throw unreadable(`uses ${name} in ${by}, yet nothing makes it before`);
  };
  for (const { name, operator, inputs, outputs: made } of nodes) {
    for (const input of inputs) demand(input, `${operator} (${name})`);
    for (const output of made) known.add(output);
  }
  for (const { name } of outputs) demand(name, 'its outputs');
}

function unreadable(what: string, cause?: unknown): AppError {
  return new AppError(
    'ENGINE_UNAVAILABLE',
    `The model file ${what}. Export or fetch the model again, or set ENGINE=onnxruntime.`,
    { cause },
  );
}
