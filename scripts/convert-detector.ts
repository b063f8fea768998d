/**
 * Converts the face detector BlazeFace from the development dependency `@vladmandic/human` (a TensorFlow graph) to
 * `models/detector/model.onnx`, and writes its card.
 *
 *     npm run convert:detector              writes both files
 *     npm run convert:detector -- --check   fails when the files differ from a fresh conversion
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GraphBuilder } from './onnx-graph.ts';

const PACKAGE = '@vladmandic/human';
const FOLDER = fileURLToPath(new URL('../models/detector/', import.meta.url));
const SIZE = 256;

interface TensorFlowNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<
    Record<string, { readonly s?: string; readonly list?: { readonly i?: string[]; readonly s?: string[] } }>
  >;
}
interface TensorFlowGraph {
  readonly modelTopology: { readonly node: readonly TensorFlowNode[] };
  readonly weightsManifest: readonly {
    readonly weights: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[];
  }[];
}
interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** Converts the graph; the same bytes each time. */
export async function convertDetector(): Promise<{ readonly onnx: Uint8Array; readonly card: string }> {
  const source = fileURLToPath(new URL(`../node_modules/${PACKAGE}/`, import.meta.url));
  const { version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as { version: string };
  const models = join(source, 'models');
  const graph = JSON.parse(await readFile(join(models, 'blazeface.json'), 'utf8')) as TensorFlowGraph;
  const onnx = translate(graph, readWeights(graph, await readFile(join(models, 'blazeface.bin'))));
  const card = {
    name: 'blazeface-back',
    kind: 'blazeface',
    version,
    file: 'model.onnx',
    sha256: createHash('sha256').update(onnx).digest('hex'),
    licence: 'Apache-2.0',
    origin: 'BlazeFace back-camera model of MediaPipe (Google)',
    source: `npm package ${PACKAGE} ${version}, models/blazeface.json and blazeface.bin, converted by scripts/convert-detector.ts`,
    input: { name: 'pictures', type: 'uint8', layout: 'NHWC', size: SIZE, channels: 'RGB', fit: 'letterbox' },
    output: {
      scores: 'scores',
      boxes: 'boxes',
      meaning:
        'scores N x 896: logits, sigmoid gives [0, 1]. boxes N x 896 x 16 in pixels of the input: centre as offset from the anchor, width and height, then six points (x, y) as offsets from the anchor: right eye, left eye, nose, mouth, right ear, left ear; right is the right of the person. Anchors, in the order of both: each entry of anchors has a grid of size / stride cells a side, row by row, perCell anchors a cell one after the other, all at the centre of the cell, ((column + 0.5) * stride, (row + 0.5) * stride).',
    },
    anchors: [
      { stride: 16, perCell: 2 },
      { stride: 32, perCell: 6 },
    ],
    thresholds: { newTrack: 0.7, keepTrack: 0.5, sure: 0.82, overlap: 0.3 },
  };
  return { onnx, card: `${JSON.stringify(card, null, 2)}\n` };
}

function readWeights(graph: TensorFlowGraph, bytes: Buffer): ReadonlyMap<string, Weight> {
  const weights = new Map<string, Weight>();
  let offset = 0;
  for (const { name, shape, dtype } of graph.weightsManifest.flatMap((group) => group.weights)) {
    const count = shape.reduce((product, side) => product * side, 1);
    const raw = new Uint8Array(bytes.subarray(offset, offset + count * 4)).buffer;
    weights.set(name, { shape, values: dtype === 'int32' ? new Int32Array(raw) : new Float32Array(raw) });
    offset += count * 4;
  }
  if (offset !== bytes.length) throw new Error(`The weights end at byte ${offset}, the file at ${bytes.length}.`);
  return weights;
}

/**
 * Inner layers get channels of zeros up to a multiple of this: onnxruntime's fast convolutions work on blocks of 16, and
 * over the 24 channels of the first, largest layers it would take slow ones.
 */
const CHANNEL_BLOCK = 16;

/** Channels-last to channels-first throughout; TensorFlow's SAME padding is worked out from each tensor's side. */
function translate(graph: TensorFlowGraph, weights: ReadonlyMap<string, Weight>): Uint8Array {
  const builder = new GraphBuilder('blazeface');
  const sides = new Map<string, number>();
  /** Channels of each tensor, those of zeros included. */
  const channels = new Map<string, number>();
  const realChannels = new Map<string, number>();
  /** What is reshaped to the network's outputs keeps its channels as they are. */
  const kept = new Set(graph.modelTopology.node.flatMap(({ op, input }) => (op === 'Reshape' ? [input?.[0]] : [])));
  const widened = (name: string, count: number): number =>
    kept.has(name) ? count : Math.ceil(count / CHANNEL_BLOCK) * CHANNEL_BLOCK;
  const results: string[] = [];
  const weight = (name: string | undefined): Weight => {
    const found = name === undefined ? undefined : weights.get(name);
    if (found === undefined) throw new Error(`The graph names a weight that is not there: ${name}`);
    return found;
  };

  for (const node of graph.modelTopology.node) {
    const [from = '', second, third] = node.input ?? [];
    const side = sides.get(from) ?? SIZE;
    const stride = Number(node.attr?.strides?.list?.i?.[1] ?? 1);
    const wide = channels.get(from) ?? 3;
    channels.set(node.name, wide);
    realChannels.set(node.name, realChannels.get(from) ?? 3);
    const same = Buffer.from(node.attr?.padding?.s ?? '', 'base64').toString() === 'SAME';
    switch (node.op) {
      case 'Const':
        break;
      case 'Placeholder':
        builder.input('pictures', 'uint8', ['batch', SIZE, SIZE, 3]);
        builder.add('Cast', ['pictures'], 'as_float', { to: 1 });
        builder.add('Transpose', ['as_float'], 'channels_first', { perm: [0, 3, 1, 2] });
        builder.add('Mul', ['channels_first', builder.floats('scale', [], [1 / 127.5])], 'scaled');
        builder.add('Sub', ['scaled', builder.floats('one', [], [1])], node.name);
        sides.set(node.name, SIZE);
        break;
      case '_FusedConv2D':
      case 'DepthwiseConv2dNative': {
        const kernel = weight(second);
        const depthwise = node.op === 'DepthwiseConv2dNative';
        const fused = (node.attr?.fused_ops?.list?.s ?? []).map((name) => Buffer.from(name, 'base64').toString());
        const count = (depthwise ? kernel.shape[2] : kernel.shape[3]) ?? 1;
        const outputs = widened(node.name, count);
        const size = { inputs: depthwise ? 1 : wide, outputs };
        const inputs = [from, builder.floats(`${second}`, ...channelsFirst(kernel, depthwise, size))];
        if (fused.includes('BiasAdd')) {
          const bias = weight(third);
          const values = new Float32Array(outputs);
          values.set(bias.values);
          inputs.push(builder.floats(`${third}`, [outputs], values));
        }
        const relu = fused.includes('Relu');
        builder.add('Conv', inputs, relu ? `${node.name}/before` : node.name, {
          kernel_shape: kernel.shape.slice(0, 2),
          strides: [stride, stride],
          pads: same ? samePads(side, kernel.shape[0] ?? 1, stride) : [0, 0, 0, 0],
          group: depthwise ? outputs : 1,
        });
        channels.set(node.name, outputs);
        realChannels.set(node.name, count);
        if (relu) builder.add('Relu', [`${node.name}/before`], node.name);
        sides.set(node.name, Math.ceil(side / stride));
        break;
      }
      case 'AddV2':
        builder.add('Add', [from, second ?? ''], node.name);
        sides.set(node.name, side);
        break;
      case 'Relu':
        builder.add('Relu', [from], node.name);
        sides.set(node.name, side);
        break;
      case 'MaxPool':
        builder.add('MaxPool', [from], node.name, { kernel_shape: [2, 2], strides: [stride, stride] });
        sides.set(node.name, side / stride);
        break;
      case 'Pad': {
        const around = Array.from(weight(second).values); // [n, h, w, c] x [before, after]
        // Channels that are added behind take the place of those of zeros first.
        const real = realChannels.get(from) ?? 3;
        const outputs = widened(node.name, real + (around[7] ?? 0));
        realChannels.set(node.name, real + (around[7] ?? 0));
        around[7] = outputs - wide;
        channels.set(node.name, outputs);
        const order = [0, 6, 2, 4, 1, 7, 3, 5].map((index) => around[index] ?? 0);
        builder.add('Pad', [from, builder.integers(`${node.name}/pads`, order)], node.name, {});
        sides.set(node.name, side);
        break;
      }
      case 'Reshape': {
        const [, rows = 0, columns = 0] = weight(second).values;
        builder.add('Transpose', [from], `${node.name}/last`, { perm: [0, 2, 3, 1] });
        builder.add(
          'Reshape',
          [`${node.name}/last`, builder.integers(`${node.name}/shape`, [-1, rows, columns])],
          node.name,
        );
        break;
      }
      case 'Identity':
        results[Number(node.name.split('_')[1] ?? 0)] = from;
        break;
      default:
        throw new Error(`The graph has an operation that is not translated: ${node.op}`);
    }
  }
  const [scores16 = '', scores32 = '', boxes16 = '', boxes32 = ''] = results;
  builder.add('Concat', [scores16, scores32], 'scores/column', { axis: 1 });
  builder.add('Reshape', ['scores/column', builder.integers('scores/shape', [-1, 896])], 'scores');
  builder.add('Concat', [boxes16, boxes32], 'boxes', { axis: 1 });
  builder.output('scores', ['batch', 896]);
  builder.output('boxes', ['batch', 896, 16]);
  return builder.encode();
}

/**
 * Kernel height x width x in x out (depthwise: x channel x 1) to out x in x height x width (channel x 1 x h x w), as wide as
 * `size` says; what the kernel does not have is 0.
 */
function channelsFirst(
  { shape, values }: Weight,
  depthwise: boolean,
  size: { readonly inputs: number; readonly outputs: number },
): [number[], Float32Array] {
  const [height = 1, width = 1, inputs = 1, outputs = 1] = shape;
  const turned = new Float32Array(size.outputs * size.inputs * height * width);
  const [slow, fast] = depthwise ? [inputs, outputs] : [outputs, inputs];
  for (let a = 0; a < slow; a++) {
    for (let b = 0; b < fast; b++) {
      const [i, o] = depthwise ? [a, b] : [b, a];
      let at = (a * size.inputs + b) * height * width;
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) turned[at++] = values[((y * width + x) * inputs + i) * outputs + o] ?? 0;
      }
    }
  }
  return [[size.outputs, size.inputs, height, width], turned];
}

/** TensorFlow's SAME: output ceil(side / stride); an odd row goes to the bottom and right. [top, left, bottom, right] */
function samePads(side: number, kernel: number, stride: number): number[] {
  const total = Math.max((Math.ceil(side / stride) - 1) * stride + kernel - side, 0);
  const before = Math.floor(total / 2);
  return [before, before, total - before, total - before];
}

async function main(): Promise<void> {
  const { onnx, card } = await convertDetector();
  const files = [
    ['model.onnx', onnx],
    ['card.json', new TextEncoder().encode(card)],
  ] as const;
  if (process.argv.includes('--check')) {
    for (const [name, bytes] of files) {
      const committed = await readFile(join(FOLDER, name)).catch(() => Buffer.alloc(0));
      if (Buffer.compare(committed, bytes) === 0) continue;
      console.error(`models/detector/${name} differs from a fresh conversion: run npm run convert:detector`);
      process.exitCode = 1;
    }
    return;
  }
  await mkdir(FOLDER, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(FOLDER, name), bytes);
  console.log(`models/detector: ${onnx.length} bytes`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
