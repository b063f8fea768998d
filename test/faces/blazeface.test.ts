import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createFaceFinder } from '../../src/faces/index.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import { repositoryPath, TEMPLATE } from './support.ts';

let bytes: Buffer;
let card: Record<string, unknown>;
beforeAll(async () => {
  const folder = repositoryPath('models/detector');
  card = JSON.parse(await readFile(join(folder, 'card.json'), 'utf8')) as Record<string, unknown>;
  bytes = await readFile(join(folder, String(card.file)));
});

async function open(changes: Record<string, unknown>, file: Uint8Array = bytes): Promise<unknown> {
  await using folder = await temporaryFolder();
  const sha256 = createHash('sha256').update(file).digest('hex');
  await writeFile(join(folder.path, 'card.json'), JSON.stringify({ ...card, sha256, ...changes }));
  await writeFile(join(folder.path, String(card.file)), file);
  await using finder = await createFaceFinder({ detector: folder.path, template: TEMPLATE });
  return finder.name;
}

describe('a folder with a detector', () => {
  test('opens where file and card fit', async () => {
    expect(await open({})).toBe(card.name);
  });

  const anchors = (): unknown[] => card.anchors as unknown[];
  test.each([
    [
      'names an output that the file has not',
      () => ({ output: { scores: 'likelihood', boxes: 'places' } }),
      'likelihood',
    ],
    [
      'names another input',
      () => ({ input: { name: 'picture', size: (card.input as { size: number }).size } }),
      'picture',
    ],
    ['has too few anchors', () => ({ anchors: anchors().slice(0, 1) }), 'anchors'],
    ['has another size', () => ({ input: { ...(card.input as object), size: 128 } }), 'does not fit its card'],
    ['says another checksum', () => ({ sha256: '0'.repeat(64) }), 'sha256'],
  ] as const)('is refused where the card %s', async (_, changes, said) => {
    await expect(open(changes())).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining(said),
    });
  });

  test('is refused where the file is no network', async () => {
    await expect(open({}, new TextEncoder().encode('no network'))).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('cannot be loaded as ONNX'),
    });
  });
});
