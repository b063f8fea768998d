import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { photograph } from '../pipeline/support.ts';
import { openServer, type TestServer } from '../support/server.ts';

const FIELDS = `results { name error { code message retryable } analysis { id width height faces {
  track { id number } box { x y width height } landmarks { name x y } score uncertainty
  affect { valence arousal intensity angleDegrees quadrant } smoothed { valence }
  expressions { expression probability } } } }`;

describe('analyzeImage over multipart', () => {
  let server: TestServer;
  let jpeg: Uint8Array;
  beforeAll(async () => {
    server = await openServer();
    jpeg = await readFile(photograph(3));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('gives the faces of a picture with estimates in their ranges, and finds them again by id', async () => {
    const { data, errors } = await server.uploadPictures([{ name: 'people.jpg', bytes: jpeg }], FIELDS);
    expect(errors).toBeUndefined();
    const [{ name, analysis, error }] = data.analyzeImage.results;
    expect(error).toBeNull();
    expect(name).toBe('people.jpg');
    expect(analysis.faces.length).toBeGreaterThanOrEqual(3);
    for (const face of analysis.faces) {
      expect(face.track.id).toBe(`${analysis.id}.${face.track.number}`);
      expect(Math.abs(face.affect.valence)).toBeLessThanOrEqual(1);
      expect(Math.abs(face.affect.arousal)).toBeLessThanOrEqual(1);
      const sum = face.expressions.reduce((all: number, one: { probability: number }) => all + one.probability, 0);
      expect(sum).toBeCloseTo(1, 3);
      expect(face.expressions).toHaveLength(8);
      expect(face.box.width).toBeGreaterThan(0);
      expect(face.landmarks.length).toBeGreaterThanOrEqual(4);
    }
    const again = await server.query('query ($id: ID!) { image(id: $id) { width faces { score } } }', {
      id: analysis.id,
    });
    expect(again.data.image.faces).toHaveLength(analysis.faces.length);
  });

  it('answers each file by itself, in order: a bad one does not take the others down', async () => {
    const text = new TextEncoder();
    const files = [
      { name: 'drawing.svg', bytes: text.encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>') },
      { name: 'whole.jpg', bytes: jpeg },
      { name: 'cut.jpg', bytes: jpeg.subarray(0, Math.floor(jpeg.length / 2)) },
      { name: 'notes.jpg', bytes: text.encode('these are no pixels') },
      { name: 'empty.jpg', bytes: new Uint8Array(0) },
    ];
    const { data } = await server.uploadPictures(files, FIELDS);
    const results = data.analyzeImage.results as { name: string; error: { code: string; message: string } | null }[];
    expect(results.map(({ name }) => name)).toEqual(files.map(({ name }) => name));
    expect(results.map(({ error }) => error?.code ?? null)).toEqual([
      'MEDIA_UNSUPPORTED',
      null,
      'MEDIA_DAMAGED',
      'MEDIA_UNSUPPORTED',
      'MEDIA_UNSUPPORTED',
    ]);
  });

  it('refuses seventeen files at once', async () => {
    const files = Array.from({ length: 17 }, (_, index) => ({ name: `${index}.jpg`, bytes: new Uint8Array(4) }));
    const { errors } = await server.uploadPictures(files, FIELDS);
    expect(errors?.[0]?.extensions.code).toBe('BAD_INPUT');
  });

  it('says false for the erasure of a picture that is not there', async () => {
    const { data } = await server.query('mutation { deleteImage(id: "nothing") }');
    expect(data.deleteImage).toBe(false);
  });
});
