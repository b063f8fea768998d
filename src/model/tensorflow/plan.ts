import * as tf from '@tensorflow/tfjs-core';
import type { OnnxGraph, OnnxNode } from './onnx-graph.ts';
import { Attributes, Inputs, type Operator, unsupported } from './operator.ts';
import { FUSED_RELU } from './operators/convolution.ts';
import { OPERATORS } from './operators/index.ts';
import { constantValue, inOnnxOrder, type Value } from './value.ts';

interface Step {
  readonly node: OnnxNode;
  readonly compute: Operator;
  /** Values that no later step reads. */
  readonly lastUseOf: readonly string[];
}

/** A graph made ready for the backend that is set: its operators with their weights in the backend's memory. */
export class Plan {
  readonly #graph: OnnxGraph;
  readonly #steps: readonly Step[];
  /** Tensors of the operators and of constants, which live as long as the plan. */
  readonly #kept: tf.Tensor[] = [];
  readonly #constants = new Map<string, Value>();

  /** Errors: ENGINE_UNAVAILABLE for an operation that is not known or has settings that are not; the message names it. */
  constructor(graph: OnnxGraph) {
    this.#graph = graph;
    const nodes = fuseRelu(graph);
    const lastUses = lastUsesOf(
      nodes,
      graph.outputs.map(({ name }) => name),
    );
    try {
      this.#steps = nodes.map((node, index) => ({ node, compute: this.#make(node), lastUseOf: lastUses[index]! }));
    } catch (thrown) {
      this.dispose();
      throw thrown;
    }
  }

  /**
   * Runs the graph and gives the wanted outputs, which the caller disposes of; the inputs are disposed of here. What lies
   * in between is freed as soon as its last reader is done, so that a batch needs the memory of its largest stage and not
   * of all.
   */
  run(inputs: Readonly<Record<string, tf.Tensor>>, outputs: readonly string[]): tf.Tensor[] {
    return tf.tidy(() => {
      const values = new Map<string, Value>(
        Object.entries(inputs).map(([name, tensor]) => [name, { kind: 'tensor', tensor, channelsLast: false }]),
      );
      for (const step of this.#steps) this.#advance(step, values);
      return outputs.map((name) => {
        const tensor = inOnnxOrder(this.#value(name, values));
        return tensor.kept ? tensor.clone() : tensor;
      });
    });
  }

  dispose(): void {
    for (const tensor of this.#kept.splice(0)) tensor.dispose();
    this.#constants.clear();
  }

  #make(node: OnnxNode): Operator {
    const maker = OPERATORS.get(node.operator);
    if (maker === undefined) throw unsupported(node, 'is not known to it');
    return maker({
      node,
      attributes: new Attributes(node),
      constant: (index) => this.#graph.constants.get(node.inputs[index] ?? ''),
      keep: (make) => this.#keep(tf.tidy(make)),
    });
  }

  #keep<T extends tf.Tensor>(tensor: T): T {
    this.#kept.push(tf.keep(tensor));
    return tensor;
  }

  #advance({ node, compute, lastUseOf }: Step, values: Map<string, Value>): void {
    const inputs = new Inputs(node, (name) => this.#value(name, values));
    let made: readonly Value[];
    try {
      made = tidied(() => {
        const result = compute(inputs);
        return 'kind' in result ? [result] : result;
      });
    } catch (thrown) {
      if (thrown instanceof Error && thrown.name !== 'AppError') {
        thrown.message = `${node.operator} (${node.name}): ${thrown.message}`;
      }
      throw thrown;
    }
    for (const [index, name] of node.outputs.entries()) {
      if (name !== '' && made[index] !== undefined) values.set(name, ownTensor(made[index], values));
    }
    for (const name of lastUseOf) {
      const value = values.get(name);
      if (value?.kind === 'tensor') value.tensor.dispose();
      values.delete(name);
    }
  }

  #value(name: string, values: ReadonlyMap<string, Value>): Value {
    const value = values.get(name) ?? this.#constants.get(name);
    if (value !== undefined) return value;
    const constant = this.#graph.constants.get(name);
    if (constant === undefined) throw new Error(`the value ${name} was never made`);
    // Made when it is first asked for: the weights that an operator keeps in an order of its own are not held twice.
    const made = constantValue(constant);
    if (made.kind === 'tensor') this.#keep(made.tensor);
    this.#constants.set(name, made);
    return made;
  }
}

function tidied(compute: () => readonly Value[]): readonly Value[] {
  return tf.tidy(compute as unknown as () => tf.TensorContainer) as unknown as readonly Value[];
}

/** A tensor that only passed through an operator gets a second owner, because each value is disposed of on its own. */
function ownTensor(value: Value, values: ReadonlyMap<string, Value>): Value {
  if (value.kind === 'integers') return value;
  const held = [...values.values()].some((other) => other.kind === 'tensor' && other.tensor === value.tensor);
  return held || value.tensor.kept ? { ...value, tensor: value.tensor.clone() } : value;
}

/** Convolutions take the Relu that alone reads them: one pass over the memory less. */
function fuseRelu({ nodes, outputs }: OnnxGraph): OnnxNode[] {
  const readers = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  const fused = new Set<OnnxNode>();
  const taken = nodes.map((node) => {
    const [made = ''] = node.outputs;
    const [reader, ...others] = readers.get(made) ?? [];
    const isOutput = outputs.some(({ name }) => name === made);
    if (node.operator !== 'Conv' || reader?.operator !== 'Relu' || others.length > 0 || isOutput) return node;
    fused.add(reader);
    return { ...node, outputs: reader.outputs, attributes: new Map([...node.attributes, [FUSED_RELU, 1]]) };
  });
  return taken.filter((node) => !fused.has(node));
}

/** For each node the values that it is the last to read; an output of the graph is read at the very end. */
function lastUsesOf(nodes: readonly OnnxNode[], outputs: readonly string[]): string[][] {
  const seen = new Set(outputs);
  const lastUses: string[][] = [];
  for (const node of nodes.toReversed()) {
    // What a node makes and nobody reads goes at once.
    const ending = [...new Set([...node.inputs, ...node.outputs])].filter((name) => name !== '' && !seen.has(name));
    for (const name of ending) seen.add(name);
    lastUses.unshift(ending);
  }
  return lastUses;
}
