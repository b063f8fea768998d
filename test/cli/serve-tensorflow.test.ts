/** The whole program on the engine tensorflow, beside the same on onnxruntime. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { photograph, temporaryFolder } from '../pipeline/support.ts';
import { type Answer, openServer, pictureForm } from '../support/server.ts';
import { start } from './support.ts';

interface Face {
  readonly affect: { readonly valence: number; readonly arousal: number };
  readonly uncertainty: number;
}

const FIELDS = 'results { analysis { faces { affect { valence arousal } uncertainty } } }';

function facesOf({ data }: Answer): readonly Face[] {
  return data.analyzeImage.results[0].analysis.faces;
}

it('scores the faces of a photograph as onnxruntime does, by two workers, and warns once that it is slow', async () => {
  await using folder = await temporaryFolder();
  const files = [{ name: 'people.jpg', bytes: await readFile(photograph(1)) }];
  const { child, exited } = start(['serve', '--port', '0', '--data-dir', join(folder.path, 'data')], {
    ENGINE: 'tensorflow',
    WORKERS: '2',
    LOG_LEVEL: 'warn',
  });
  const stderr = text(child.stderr);
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), once(child, 'exit')])) as [string];
  const url = String(line).replace('circumplex is ready at ', '');

  const engine = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ engine { name provider workers } }' }),
  });
  expect(await engine.json()).toEqual({
    data: { engine: { name: 'tensorflow', provider: 'tensorflow-wasm', workers: 2 } },
  });
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'x-graphql-yoga-csrf': '1' },
    body: pictureForm(files, FIELDS),
  });
  const faces = facesOf((await answer.json()) as Answer);

  await using other = await openServer();
  const expected = facesOf(await other.uploadPictures(files, FIELDS));
  expect(expected.length).toBeGreaterThan(1);
  expect(faces).toHaveLength(expected.length);
  for (const [index, { affect, uncertainty }] of expected.entries()) {
    expect(Math.abs(faces[index]!.affect.valence - affect.valence)).toBeLessThanOrEqual(1e-4);
    expect(Math.abs(faces[index]!.affect.arousal - affect.arousal)).toBeLessThanOrEqual(1e-4);
    expect(Math.abs(faces[index]!.uncertainty - uncertainty)).toBeLessThanOrEqual(1e-4);
  }

  child.kill('SIGTERM');
  expect(await exited).toEqual({ code: 0, signal: null });
  const logged = (await stderr).trimEnd().split('\n');
  expect(logged).toHaveLength(1);
  expect(JSON.parse(logged[0]!)).toMatchObject({
    provider: 'tensorflow-wasm',
    msg: expect.stringContaining('WebAssembly'),
  });
});
