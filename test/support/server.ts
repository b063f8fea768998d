/** A whole server on a free port over a data folder of its own, and the few ways in which tests talk to it. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Client, createClient } from 'graphql-ws';
import { pino } from 'pino';
import WebSocket from 'ws';
import { startServer } from '../../src/start-server.ts';
import { temporaryFolder, testConfig } from '../pipeline/support.ts';

export interface GraphqlFault {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: { readonly code: string; readonly retryable: boolean };
}

export interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: the tests read answers of many shapes, and assert what they read.
  readonly data: any;
  readonly errors?: readonly GraphqlFault[];
}

export interface TestServer extends AsyncDisposable {
  /** Address of the GraphQL endpoint. */
  readonly url: string;
  readonly webSocketUrl: string;
  readonly mediaUrl: string;
  readonly dataDir: string;
  query(query: string, variables?: Record<string, unknown>): Promise<Answer>;
  /** `analyzeImage` over files, as a browser or curl would send it. */
  uploadPictures(
    files: readonly { readonly name: string; readonly bytes: Uint8Array }[],
    fields: string,
  ): Promise<Answer>;
  putMedia(bytes: Uint8Array): Promise<{ readonly status: number; readonly body: Record<string, unknown> }>;
  /** Sends a file by PUT /media, starts its analysis and gives the stream's id. */
  submitVideo(path: string): Promise<string>;
  /** A graphql-transport-ws client that does not come back by itself. */
  client(): Client;
}

export async function openServer(settings: Record<string, string> = {}): Promise<TestServer> {
  const folder = await temporaryFolder();
  const server = await startServer(testConfig(folder.path, { PORT: '0', ...settings }), {
    log: pino({ level: 'silent' }),
  });
  const { url } = server;
  const webSocketUrl = url.replace(/^http/, 'ws');
  const mediaUrl = new URL('/media', url).href;

  const query: TestServer['query'] = async (text, variables = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: text, variables }),
    });
    return (await response.json()) as Answer;
  };

  const putMedia: TestServer['putMedia'] = async (bytes) => {
    const response = await fetch(mediaUrl, { method: 'PUT', body: new Uint8Array(bytes) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  return {
    url,
    webSocketUrl,
    mediaUrl,
    dataDir: folder.path,
    query,
    putMedia,
    async uploadPictures(files, fields) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'x-graphql-yoga-csrf': '1' },
        body: pictureForm(files, fields),
      });
      return (await response.json()) as Answer;
    },
    async submitVideo(path) {
      const { body } = await putMedia(await readFile(path));
      const { data, errors } = await query(
        'mutation ($input: AnalyzeVideoInput!) { analyzeVideo(input: $input) { id } }',
        { input: { mediaId: body.id, name: basename(path) } },
      );
      if (errors !== undefined) throw new Error(errors[0]?.message ?? 'refused');
      return data.analyzeVideo.id as string;
    },
    client: () => createClient({ url: webSocketUrl, webSocketImpl: WebSocket, retryAttempts: 0, lazy: true }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The body that the multipart request specification asks for. */
export function pictureForm(
  files: readonly { readonly name: string; readonly bytes: Uint8Array }[],
  fields: string,
): FormData {
  const query = `mutation ($files: [Upload!]!) { analyzeImage(input: { files: $files }) { ${fields} } }`;
  const form = new FormData();
  form.set('operations', JSON.stringify({ query, variables: { files: files.map(() => null) } }));
  form.set('map', JSON.stringify(Object.fromEntries(files.map((_, index) => [index, [`variables.files.${index}`]]))));
  for (const [index, { name, bytes }] of files.entries()) {
    form.set(String(index), new Blob([new Uint8Array(bytes)]), name);
  }
  return form;
}
