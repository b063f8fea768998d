import { expect, test } from 'vitest';
import { requestBody } from '../../web/src/server/request-body.ts';

test('variables without a file travel as JSON', () => {
  const { headers, body } = requestBody('{ a }', { id: '1', list: [1, null] });
  expect(headers).toEqual({ 'content-type': 'application/json' });
  expect(JSON.parse(body as string)).toEqual({ query: '{ a }', variables: { id: '1', list: [1, null] } });
});

test('files travel as parts, each for the variable that it fills', async () => {
  const [one, two] = ['one', 'two'].map((text) => new File([text], `${text}.jpg`));
  const { headers, body } = requestBody('mutation', { files: [one, two], frame: new Blob(['three']), store: true });
  const form = body as FormData;
  expect(headers).toEqual({ 'x-graphql-yoga-csrf': '1' });
  expect([...form.keys()]).toEqual(['operations', 'map', '0', '1', '2']);
  expect(JSON.parse(form.get('operations') as string).variables).toEqual({
    files: [null, null],
    frame: null,
    store: true,
  });
  expect(JSON.parse(form.get('map') as string)).toEqual({
    0: ['variables.files.0'],
    1: ['variables.files.1'],
    2: ['variables.frame'],
  });
  expect((form.get('1') as File).name).toBe('two.jpg');
  expect(await (form.get('2') as File).text()).toBe('three');
});
