/** Videos on their way to the server. They outlive the view that sent them, and end with the tab. */
import { AnalyzeVideoDocument } from '../generated/graphql.ts';
import { type Failure, toFailure } from '../server/failure.ts';
import type { Server } from '../server/server.ts';
import { videoInput } from './source-input.ts';

export type UploadState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'sending'; readonly share: number }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'done'; readonly streamId: string };

export interface Upload {
  readonly number: number;
  readonly file: File;
  readonly state: UploadState;
}

/** How the videos are to be looked at. */
export interface UploadChoices {
  /** Empty for every frame. */
  readonly framesPerSecond: string;
  /** Between commas. */
  readonly labels: string;
}

interface UploadsOptions {
  readonly server: Pick<Server, 'ask' | 'upload'>;
  /** Told of each video that the server has taken. */
  readonly taken: (streamId: string, file: File) => void;
}

export class Uploads {
  readonly #options: UploadsOptions;
  readonly #endings = new Map<number, AbortController>();
  readonly #listeners = new Set<() => void>();
  #list: readonly Upload[] = [];
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  get list(): readonly Upload[] {
    return this.#list;
  }

  get isSending(): boolean {
    return this.#list.some(({ state: { kind } }) => kind === 'waiting' || kind === 'sending');
  }

  /** Calls `changed` after each change, until what it gives is called. */
  watch(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  /** Sends the file when those before it are there. Gives the stream's id, null where it failed or was given up. */
  send(file: File, choices: UploadChoices): Promise<string | null> {
    this.#count += 1;
    const number = this.#count;
    const ending = new AbortController();
    this.#endings.set(number, ending);
    this.#list = [...this.#list, { number, file, state: { kind: 'waiting' } }];
    this.#tell();
    const sent = this.#last.then(() => this.#send(number, { file, choices, signal: ending.signal }));
    this.#last = sent;
    return sent;
  }

  /** Gives up what is on its way, and takes it off the list. */
  remove(number: number): void {
    this.#endings.get(number)?.abort();
    this.#endings.delete(number);
    this.#list = this.#list.filter((upload) => upload.number !== number);
    this.#tell();
  }

  close(): void {
    for (const { number } of this.#list) this.remove(number);
  }

  async #send(
    number: number,
    { file, choices, signal }: { readonly file: File; readonly choices: UploadChoices; readonly signal: AbortSignal },
  ): Promise<string | null> {
    const { server, taken } = this.#options;
    try {
      signal.throwIfAborted();
      const tell = (share: number) => this.#set(number, { kind: 'sending', share });
      tell(0);
      const mediaId = await server.upload(file, { signal, tell });
      const input = videoInput({ mediaId, name: file.name, ...choices });
      const { id } = (await server.ask(AnalyzeVideoDocument, { input })).analyzeVideo;
      taken(id, file);
      this.#set(number, { kind: 'done', streamId: id });
      return id;
    } catch (thrown) {
      if (!signal.aborted) this.#set(number, { kind: 'failed', failure: toFailure(thrown) });
      return null;
    }
  }

  #set(number: number, state: UploadState): void {
    this.#list = this.#list.map((upload) => (upload.number === number ? { ...upload, state } : upload));
    this.#tell();
  }

  #tell(): void {
    for (const changed of this.#listeners) changed();
  }
}
