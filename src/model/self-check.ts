import { AppError } from '../errors.ts';
import type { ModelCard } from './card.ts';
import { toReadings } from './readings.ts';
import type { AffectSession } from './session.ts';

/** The picture whose answer a card knows: pixel (y, x, channel) is `(2 x + y + 40 channel) mod 256`. */
export function gradientCrop(sizePixels: number): Uint8Array {
  const crop = new Uint8Array(sizePixels * sizePixels * 3);
  for (let y = 0, at = 0; y < sizePixels; y += 1) {
    for (let x = 0; x < sizePixels; x += 1) {
      for (let channel = 0; channel < 3; channel += 1, at += 1) crop[at] = (x * 2 + y + 40 * channel) % 256;
    }
  }
  return crop;
}

/**
 * Compares what the session says of the known picture with what the card remembers. A device that is present can still
 * compute wrongly (a driver, a missing operator, half precision), and nothing else would notice. The picture runs alone
 * and in a batch of two, so that a network that mixes up its batch is found as well.
 * Errors: ENGINE_UNAVAILABLE, with the largest deviation.
 */
export async function checkNumbers(session: AffectSession, card: ModelCard): Promise<void> {
  const crop = gradientCrop(card.input.size);
  const pair = new Uint8Array(crop.length * 2);
  pair.set(crop);
  pair.set(crop, crop.length);
  const readings = [...toReadings(await session.run(crop, 1), 1), ...toReadings(await session.run(pair, 2), 2)];
  const expected = [...card.selfCheck.affect, ...card.selfCheck.expressions];
  const deviations = readings.flatMap(({ affect, expressions }) =>
    [affect.valence, affect.arousal, ...expressions].map((value, index) => Math.abs(value - expected[index]!)),
  );
  const largest = Math.max(...deviations);
  if (largest <= card.selfCheck.tolerance) return;
  throw new AppError(
    'ENGINE_UNAVAILABLE',
    `The self-check of the model ${card.name} ${card.version} failed: its numbers are off by ${largest.toPrecision(2)}, ` +
      `allowed are ${card.selfCheck.tolerance}. Use another ENGINE_PROVIDER (cpu is exact), or fetch the model again.`,
  );
}
