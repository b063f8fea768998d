import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EXPRESSIONS } from '../domain.ts';
import { AppError } from '../errors.ts';

const share = z.number().min(0).max(1);
const signed = z.number().min(-1).max(1);
const name = z.string().min(1);
const point = z.tuple([share, share]).transform(([x, y]) => ({ x, y }));

const cardSchema = z.object({
  name,
  version: name,
  /** A file beside the card: a path would let a card point anywhere. */
  file: z.string().regex(/^[\w-][\w.-]*$/, 'must be the plain name of a file beside card.json'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits in lower case'),
  licence: name,
  input: z.object({
    name,
    type: z.literal('uint8'),
    layout: z.literal('NHWC'),
    size: z.int().min(16).max(512),
    channels: z.literal('RGB'),
  }),
  outputs: z.object({
    affect: name,
    expressions: name,
    uncertainty: name,
    /** How sure the model is that the crop shows a face; a model may do without. */
    faceness: name.optional(),
  }),
  classes: z
    .array(z.string())
    .refine(
      (classes) => classes.join() === EXPRESSIONS.join(),
      `must be the eight classes in the order ${EXPRESSIONS.join(', ')}`,
    ),
  template: z.object({ rightEye: point, leftEye: point, mouthCentre: point }),
  selfCheck: z.object({
    input: z.literal('gradient'),
    affect: z.tuple([signed, signed]),
    expressions: z.array(share).length(EXPRESSIONS.length),
    uncertainty: z.number().nonnegative().optional(),
    faceness: share.optional(),
    tolerance: z.number().positive().max(0.05),
  }),
});

/**
 * What a model says of itself: its file and checksum, the crop it reads (`input.size` pixels a side, face points of
 * `template` normalised to it), the names of its outputs, and the answer it gives to a known picture.
 */
export type ModelCard = Readonly<z.infer<typeof cardSchema>>;

const REMEDY = 'Point MODEL at a folder that holds a complete model (card.json and the file that it names).';

/**
 * Reads and checks `card.json` of a model's folder; fields beyond {@link ModelCard} are left out.
 * Errors: ENGINE_UNAVAILABLE, with the field and what it must be.
 */
export async function readModelCard(folder: string): Promise<ModelCard> {
  const path = join(folder, 'card.json');
  let card: unknown;
  try {
    card = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const what = cause instanceof SyntaxError ? 'is no JSON' : 'cannot be read';
    throw new AppError('ENGINE_UNAVAILABLE', `The model card ${path} ${what}. ${REMEDY}`, { cause });
  }
  const parsed = cardSchema.safeParse(card);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'card'}: ${issue.message}`);
  throw new AppError('ENGINE_UNAVAILABLE', `The model card ${path} is not valid (${faults.join('; ')}). ${REMEDY}`, {
    cause: parsed.error,
  });
}

/**
 * Reads the model's file and compares its checksum with the card, so that what runs is what was checked.
 * Errors: ENGINE_UNAVAILABLE.
 */
export async function readModelFile(folder: string, card: ModelCard): Promise<Uint8Array> {
  const path = join(folder, card.file);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new AppError('ENGINE_UNAVAILABLE', `The model file ${path} cannot be read. ${REMEDY}`, { cause });
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 === card.sha256) return bytes;
  throw new AppError(
    'ENGINE_UNAVAILABLE',
    `The model file ${path} has the checksum ${sha256}, its card says ${card.sha256}: ` +
      'the file is damaged or belongs to another card. Fetch the model again.',
  );
}
