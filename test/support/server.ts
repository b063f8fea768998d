/** A whole server on a free port over a data folder of its own, and the few ways in which tests talk to it. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Client, createClient } from 'graphql-ws';
import { pino } from 'pino';
import WebSocket from 'ws';
import type { Log } from '../../src/log.ts';
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
  /** Any multipart request; each file fills the variable of its path, such as `variables.input.file`. */
  upload(
    query: string,
    variables: Record<string, unknown>,
    files: Readonly<Record<string, { readonly name: string; readonly bytes: Uint8Array }>>,
  ): Promise<Answer>;
  /** Names of what lies in the folder of uploads. */
  uploadedFiles(): Promise<string[]>;
  putMedia(bytes: Uint8Array): Promise<{ readonly status: number; readonly body: Record<string, unknown> }>;
  /** Sends a file by PUT /media, starts its analysis and gives the stream's id. */
  submitVideo(path: string): Promise<string>;
  /** A graphql-transport-ws client that does not come back by itself. */
  client(): Client;
}

/** `log` takes what the server logs; by default nobody sees it. */
export async function openServer(
  settings: Record<string, string> = {},
  { log = pino({ level: 'silent' }) }: { readonly log?: Log } = {},
): Promise<TestServer> {
  const folder = await temporaryFolder();
  const server = await startServer(testConfig(folder.path, { PORT: '0', ...settings }), { log });
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
    uploadPictures: (files, fields) => postForm(url, pictureForm(files, fields)),
    upload(text, variables, files) {
      return postForm(url, multipartForm(text, variables, files));
    },
    uploadedFiles: () => readdir(join(folder.path, 'uploads')),
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

async function postForm(url: string, body: FormData): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', headers: { 'x-graphql-yoga-csrf': '1' }, body });
  return (await response.json()) as Answer;
}

/** `analyzeImage` over files. */
export function pictureForm(
  files: readonly { readonly name: string; readonly bytes: Uint8Array }[],
  fields: string,
): FormData {
  const query = `mutation ($files: [Upload!]!) { analyzeImage(input: { files: $files }) { ${fields} } }`;
  const paths = Object.fromEntries(files.map((file, index) => [`variables.files.${index}`, file] as const));
  return multipartForm(query, { files: files.map(() => null) }, paths);
}

/** The body that the multipart request specification asks for. */
export function multipartForm(
  query: string,
  variables: Record<string, unknown>,
  files: Readonly<Record<string, { readonly name: string; readonly bytes: Uint8Array }>>,
): FormData {
  const form = new FormData();
  form.set('operations', JSON.stringify({ query, variables }));
  form.set('map', JSON.stringify(Object.fromEntries(Object.keys(files).map((path, index) => [index, [path]]))));
  for (const [index, { name, bytes }] of Object.values(files).entries()) {
    form.set(String(index), new Blob([new Uint8Array(bytes)]), name);
  }
  return form;
}
