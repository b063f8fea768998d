import { type ClientRequest, type IncomingHttpHeaders, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openServer, type TestServer } from '../support/server.ts';

const MEBIBYTE = 1024 * 1024;
/** Four of the largest pictures. */
const MAX_MULTIPART_BYTES = 4 * MEBIBYTE;
const QUERY = JSON.stringify({ query: '{ engine { name } }' });
const MULTIPART = { 'content-type': 'multipart/form-data; boundary=cut', 'x-graphql-yoga-csrf': '1' };
const JSON_TYPE = { 'content-type': 'application/json' };

let server: TestServer;
beforeAll(async () => {
  server = await openServer({ MAX_IMAGE_BYTES: String(MEBIBYTE) });
});
afterAll(() => server[Symbol.asyncDispose]());

interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A request whose body the test writes itself; the answer comes when the server gives it. */
function post(headers: Record<string, string>): { readonly sent: ClientRequest; readonly answer: Promise<Answered> } {
  const sent = request(server.url, { method: 'POST', headers });
  const answer = new Promise<Answered>((resolve, reject) => {
    sent.once('error', reject);
    sent.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('close', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
  });
  answer.catch(() => undefined);
  return { sent, answer };
}

function picturePart(bytes: number): Buffer {
  const operations = {
    query: 'mutation ($f: [Upload!]!) { analyzeImage(input: { files: $f }) { results { error { code } } } }',
    variables: { f: [null] },
  };
  const field = (name: string, value: unknown): string =>
    `--cut\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${JSON.stringify(value)}\r\n`;
  const file =
    '--cut\r\ncontent-disposition: form-data; name="0"; filename="a.jpg"\r\ncontent-type: image/jpeg\r\n\r\n';
  return Buffer.concat([
    Buffer.from(field('operations', operations) + field('map', { 0: ['variables.f.0'] }) + file),
    Buffer.alloc(bytes, 'x'),
    Buffer.from('\r\n--cut--\r\n'),
  ]);
}

describe('bodies of unknown length', () => {
  test('are taken, in JSON and multipart', async () => {
    const json = post({ ...JSON_TYPE, 'transfer-encoding': 'chunked' });
    json.sent.write(QUERY.slice(0, 10));
    json.sent.end(QUERY.slice(10));
    expect(await json.answer).toMatchObject({ status: 200, body: '{"data":{"engine":{"name":"onnxruntime"}}}' });
    const multipart = post({ ...MULTIPART, 'transfer-encoding': 'chunked' });
    multipart.sent.end(picturePart(1000));
    expect(JSON.parse((await multipart.answer).body)).toEqual({
      data: { analyzeImage: { results: [{ error: { code: 'MEDIA_UNSUPPORTED' } }] } },
    });
  });

  test.each([
    ['JSON', JSON_TYPE, MEBIBYTE],
    ['multipart', MULTIPART, MAX_MULTIPART_BYTES],
  ])('are refused where they pass the limit of %s', async (_, headers, limitBytes) => {
    const { sent, answer } = post({ ...headers, 'transfer-encoding': 'chunked' });
    for (let bytes = 0; bytes <= limitBytes; bytes += 65_536) sent.write(Buffer.alloc(65_536, ' '));
    // The body has not even ended.
    const { status, body } = await answer;
    expect(status).toBe(413);
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'UPLOAD_TOO_LARGE', retryable: false } });
    sent.destroy();
  });
});

describe('bodies of known length', () => {
  test.each([
    ['JSON', JSON_TYPE, MEBIBYTE],
    ['multipart', MULTIPART, MAX_MULTIPART_BYTES],
  ])('are refused above the limit of %s before they are read', async (_, headers, limitBytes) => {
    const { sent, answer } = post({ ...headers, 'content-length': String(limitBytes + 1) });
    sent.flushHeaders();
    expect(await answer).toMatchObject({ status: 413, headers: { connection: 'close' } });
    sent.destroy();
  });

  test('with one picture above its limit have the error in that picture’s result', async () => {
    const body = picturePart(MEBIBYTE + 1);
    const { sent, answer } = post({ ...MULTIPART, 'content-length': String(body.length) });
    sent.end(body);
    expect(JSON.parse((await answer).body)).toEqual({
      data: { analyzeImage: { results: [{ error: { code: 'UPLOAD_TOO_LARGE' } }] } },
    });
  });

  test('are refused as long as others fill the memory for them', async () => {
    const held = [1, 2].map(() => {
      const { sent } = post({ ...MULTIPART, 'content-length': String(MAX_MULTIPART_BYTES) });
      sent.on('error', () => undefined);
      sent.write('--cut\r\n');
      return sent;
    });
    const send = async (): Promise<number> => {
      const body = picturePart(1000);
      const { sent, answer } = post({ ...MULTIPART, 'content-length': String(body.length) });
      sent.end(body);
      const { status, body: text } = await answer;
      if (status !== 200) expect(JSON.parse(text)).toMatchObject({ error: { code: 'OVERLOADED', retryable: true } });
      return status;
    };
    await statusBecomes(send, 503);
    // Queries are no uploads.
    expect((await server.query('{ engine { name } }')).errors).toBeUndefined();
    for (const sent of held) sent.destroy();
    await statusBecomes(send, 200);
  });

  async function statusBecomes(send: () => Promise<number>, status: number): Promise<void> {
    while ((await send()) !== status) await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

/** A form with these as its fields and one file. */
function form(operations: string, map: string): string {
  const field = (name: string, value: string): string =>
    `--cut\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const file = '--cut\r\ncontent-disposition: form-data; name="0"; filename="a.jpg"\r\n\r\nx\r\n--cut--\r\n';
  return field('operations', operations) + field('map', map) + file;
}

test('pictures of more than 25 MB are taken where the settings allow them', async () => {
  await using large = await openServer();
  const bytes = 26_000_000;
  const answer = await large.uploadPictures(
    [{ name: 'a.tiff', bytes: new Uint8Array(bytes) }],
    'results { error { code } }',
  );
  expect(answer.data.analyzeImage.results).toEqual([{ error: { code: 'MEDIA_UNSUPPORTED' } }]);
});

test.each(['variables', 'extensions'])('a query in an address with %s that are no JSON', async (name) => {
  const response = await fetch(`${server.url}?query={engine{name}}&${name}=secret`, {
    headers: { 'x-graphql-yoga-csrf': '1' },
  });
  const text = await response.text();
  expect(JSON.parse(text).errors).toMatchObject([{ extensions: { code: 'BAD_INPUT', retryable: false } }]);
  expect(text).not.toContain('secret');
});

test.each([
  ['no JSON', JSON_TYPE, '{"query":'],
  ['JSON of another kind', JSON_TYPE, '[1]'],
  ['nothing', JSON_TYPE, ''],
  [
    'a form without operations',
    MULTIPART,
    '--cut\r\ncontent-disposition: form-data; name="map"\r\n\r\n{}\r\n--cut--\r\n',
  ],
  ['a form whose map names no place', MULTIPART, form('{"query":"{ engine { name } }"}', '{"0":null}')],
  ['a form whose map names a number', MULTIPART, form('{"query":"{ engine { name } }"}', '{"0":5}')],
  ['a form whose operations are null', MULTIPART, form('null', '{"0":["variables.f"]}')],
  ['a form that breaks off', MULTIPART, '--cut\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{'],
])('a body with %s is a typed error', async (_, headers, body) => {
  const { sent, answer } = post({ ...headers, 'content-length': String(body.length) });
  sent.end(body);
  expect(JSON.parse((await answer).body)).toMatchObject({
    errors: [{ extensions: { code: 'BAD_INPUT', retryable: false } }],
  });
});

test('several operations in one request are not taken', async () => {
  const { sent, answer } = post(JSON_TYPE);
  sent.end(JSON.stringify([{ query: '{ engine { name } }' }, { query: '{ engine { name } }' }]));
  expect(JSON.parse((await answer).body)).toMatchObject({ errors: [{ extensions: { code: 'BAD_INPUT' } }] });
});

test.each([
  [
    'a form without the header that makes a browser ask first',
    { 'content-type': 'multipart/form-data; boundary=cut' },
    400,
  ],
  ['text', { 'content-type': 'text/plain', 'x-graphql-yoga-csrf': '1' }, 400],
  ['XML', { 'content-type': 'application/xml' }, 400],
  ['no type', {}, 400],
  ['a request of another site', { ...JSON_TYPE, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }, 400],
  ['a request of the own page', { ...JSON_TYPE, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }, 200],
  ['a request under another name', { ...JSON_TYPE, host: 'rebound.example' }, 400],
])('%s, with the headers %j, is answered with %i', async (_, headers, status) => {
  const { sent, answer } = post(headers as Record<string, string>);
  sent.end(QUERY);
  expect((await answer).status).toBe(status);
});
