import type { CropReading } from '../domain.ts';
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
 * and behind its negative, which runs alone as well, so that a network that mixes up its batch is found too.
 * Errors: ENGINE_UNAVAILABLE, with the largest deviation.
 */
export async function checkNumbers(session: AffectSession, card: ModelCard): Promise<void> {
  const known = gradientCrop(card.input.size);
  const negative = known.map((level) => 255 - level);
  const [knownAlone, negativeAlone] = [await read(session, known), await read(session, negative)];
  const [negativeFirst, knownSecond] = await read(session, negative, known);
  const expected = [knownAlone[0]!, knownSecond!].flatMap((reading) => deviationsFromCard(reading, card));
  const inBatch = numbersOf(negativeFirst!).map((value, index) => value - numbersOf(negativeAlone[0]!)[index]!);
  const largest = Math.max(...[...expected, ...inBatch].map(Math.abs));
  if (largest <= card.selfCheck.tolerance) return;
  throw new AppError(
    'ENGINE_UNAVAILABLE',
    `The self-check of the model ${card.name} ${card.version} failed: its numbers are off by ${largest.toPrecision(2)}, ` +
      `allowed are ${card.selfCheck.tolerance}. Use another ENGINE_PROVIDER (cpu is exact), or fetch the model again.`,
  );
}

async function read(session: AffectSession, ...crops: readonly Uint8Array[]): Promise<CropReading[]> {
  const raw = await session.run(new Uint8Array(Buffer.concat(crops)), crops.length);
  return toReadings(raw, crops.length);
}

function numbersOf({ affect, expressions, uncertainty, faceness }: CropReading): number[] {
  return [affect.valence, affect.arousal, uncertainty, faceness, ...expressions];
}

/** Older cards do not remember uncertainty and faceness. */
function deviationsFromCard(reading: CropReading, { selfCheck }: ModelCard): number[] {
  const { affect, expressions, uncertainty = reading.uncertainty, faceness = reading.faceness } = selfCheck;
  const expected = [...affect, uncertainty, faceness, ...expressions];
  return numbersOf(reading).map((value, index) => value - expected[index]!);
}
