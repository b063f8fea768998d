/**
 * Scores a video and prints every frame as it is scored, over GraphQL's WebSocket protocol. It survives a lost
 * connection: it comes back with the cursor of the last frame that it received, so each frame is printed exactly once.
 *
 *     npx tsx examples/subscribe.ts VIDEO_OR_STREAM_ID [http://127.0.0.1:4000]
 *
 * Where the server has keys, put one into the environment as CIRCUMPLEX_KEY.
 */
import { createReadStream, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

interface Frame {
  readonly cursor: string;
  readonly sequence: number;
  readonly ptsSeconds: number;
  readonly droppedBefore: number;
  readonly faces: readonly {
    readonly track: { readonly number: number };
    readonly smoothed: { readonly valence: number; readonly arousal: number; readonly quadrant: string };
  }[];
}

const FRAMES = `subscription ($streamId: ID!, $after: Cursor) {
  frames(streamId: $streamId, after: $after) {
    cursor sequence ptsSeconds droppedBefore
    faces { track { number } smoothed { valence arousal quadrant } }
  }
}`;

const [source, server = 'http://127.0.0.1:4000'] = process.argv.slice(2);
const address = URL.canParse(server) ? new URL(server) : null;
if (source === undefined || address === null || !['http:', 'https:'].includes(address.protocol)) {
  console.error('Usage: npx tsx examples/subscribe.ts VIDEO_OR_STREAM_ID [http://HOST:PORT]');
  process.exit(2);
}
const base = address.href.replace(/(\/graphql)?\/?$/, '');
const key = process.env.CIRCUMPLEX_KEY;
const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
/** How a WebSocket is closed that comes without a key, or with one that is wrong or revoked. */
const FORBIDDEN = 4403;
const streamId = existsSync(source) ? await analyze(source) : source;
await printFrames(streamId);

/** Sends the file, whatever its size, and gives the id of the stream that scores it. */
async function analyze(path: string): Promise<string> {
  const { size } = await stat(path);
  const put = await fetch(`${base}/media`, {
    method: 'PUT',
    headers: { ...authorization, 'content-length': String(size) },
    body: Readable.toWeb(createReadStream(path)),
    duplex: 'half',
  } as RequestInit);
  const media = (await put.json()) as { id: string; error?: { message: string } };
  if (media.error) end(media.error.message);

  const response = await fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { ...authorization, 'content-type': 'application/json' },
    body: JSON.stringify({
      query: 'mutation ($input: AnalyzeVideoInput!) { analyzeVideo(input: $input) { id } }',
      variables: { input: { mediaId: media.id, name: basename(path) } },
    }),
  });
  const { data, errors } = (await response.json()) as {
    data: { analyzeVideo: { id: string } };
    errors?: readonly { message: string }[];
  };
  if (errors) throw new Error(errors[0]?.message);
  return data.analyzeVideo.id;
}

async function printFrames(id: string): Promise<void> {
  const url = `${base.replace(/^http/, 'ws')}/graphql`;
  const client = createClient({ url, webSocketImpl: WebSocket, connectionParams: authorization, retryAttempts: 0 });
  let after: string | null = null;
  for (;;) {
    try {
      const variables: Record<string, unknown> = { streamId: id, after };
      for await (const { data, errors } of client.iterate<{ frames: Frame }>({ query: FRAMES, variables })) {
        if (errors) throw errors;
        if (!data) continue;
        print(data.frames);
        after = data.frames.cursor;
      }
      return await client.dispose();
    } catch (reason) {
      // What the server refuses comes as a list of errors; anything else is a lost connection.
      if (Array.isArray(reason) && !isRetryable(reason)) {
        end(reason.map(({ message }: { message: string }) => message).join('\n'));
      }
      const closed = reason as { readonly code?: number; readonly reason?: string };
      if (closed.code === FORBIDDEN) end(String(closed.reason));
      console.error('connection lost; trying again');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function end(message: string): never {
  console.error(message);
  process.exit(1);
}

function isRetryable(errors: readonly { readonly extensions?: { readonly retryable?: boolean } }[]): boolean {
  return errors.every(({ extensions }) => extensions?.retryable === true);
}

function print({ sequence, ptsSeconds, droppedBefore, faces }: Frame): void {
  const seen = faces.map(
    ({ track, smoothed: { valence, arousal, quadrant } }) =>
      `#${track.number} V ${valence.toFixed(2)} A ${arousal.toFixed(2)} ${quadrant}`,
  );
  const lost = droppedBefore === 0 ? '' : ` (${droppedBefore} lost before)`;
  console.log(`${sequence} ${ptsSeconds.toFixed(3)} s${lost}  ${seen.join('  ') || 'no face'}`);
}
