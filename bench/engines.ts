/**
 * Faces a second of the engines on one thread, taking turns in one run, so that whatever else the machine does hits both
 * alike; and how far their numbers lie apart.
 *
 *     npx tsx bench/engines.ts [--model FOLDER] [--batch N] [--rounds N] [--seconds N] [--provider auto|cpu|cuda]
 */
import { parseArgs } from 'node:util';
import { createEngine, type Engine, type ProviderChoice, readModelCard } from '../src/model/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/affect' },
    batch: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    provider: { type: 'string', default: 'cpu' },
  },
});
const batch = Number(values.batch);
const durationMs = Number(values.seconds) * 1000;
const provider = values.provider as ProviderChoice;

const card = await readModelCard(values.model);
/** Noise over all bytes: no engine gains by zeros. */
const crops = Uint8Array.from({ length: batch * card.input.size ** 2 * 3 }, (_, index) => (index * 7919) % 251);

async function facesPerSecond(engine: Engine): Promise<number> {
  const startMs = performance.now();
  let faces = 0;
  for (; performance.now() - startMs < durationMs; faces += batch) await engine.infer(crops, batch);
  return faces / ((performance.now() - startMs) / 1000);
}

async function numbers(engine: Engine): Promise<number[]> {
  const readings = await engine.infer(crops, batch);
  return readings.flatMap(({ affect, expressions, uncertainty, faceness }) => [
    affect.valence,
    affect.arousal,
    ...expressions,
    uncertainty,
    faceness,
  ]);
}

function median(rates: readonly number[]): number {
  return rates.toSorted((one, other) => one - other)[Math.floor(rates.length / 2)] ?? Number.NaN;
}

const startMs = performance.now();
await using onnxruntime = await createEngine({ folder: values.model, card, provider });
const betweenMs = performance.now();
await using tensorflow = await createEngine({ folder: values.model, card, engine: 'tensorflow', provider });
const readyMs = performance.now();

const expected = await numbers(onnxruntime);
const difference = Math.max(...(await numbers(tensorflow)).map((value, index) => Math.abs(value - expected[index]!)));
const rates = { onnxruntime: [] as number[], tensorflow: [] as number[] };
for (let round = 0; round < Number(values.rounds); round += 1) {
  rates.onnxruntime.push(await facesPerSecond(onnxruntime));
  rates.tensorflow.push(await facesPerSecond(tensorflow));
}
console.log(`engines_batch ${batch}`);
console.log(`engines_onnxruntime_provider ${onnxruntime.provider}`);
console.log(`engines_tensorflow_provider ${tensorflow.provider}`);
console.log(`engines_onnxruntime_start_ms ${(betweenMs - startMs).toFixed(0)}`);
console.log(`engines_tensorflow_start_ms ${(readyMs - betweenMs).toFixed(0)}`);
console.log(`engines_onnxruntime_faces_per_second ${median(rates.onnxruntime).toFixed(1)}`);
console.log(`engines_tensorflow_faces_per_second ${median(rates.tensorflow).toFixed(1)}`);
console.log(`engines_largest_difference ${difference.toPrecision(2)}`);
