/**
 * Prints every frame of a stream as it is scored, and survives a lost connection: it comes back with the cursor of the
 * last frame that it received, so that each frame is printed exactly once.
 *
 *     npx tsx examples/subscribe.ts STREAM_ID [http://127.0.0.1:4000/graphql]
 */
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

const QUERY = `subscription ($streamId: ID!, $after: Cursor) {
  frames(streamId: $streamId, after: $after, fromStart: true) {
    cursor sequence ptsSeconds droppedBefore
    faces { track { number } smoothed { valence arousal quadrant } }
  }
}`;

const [streamId, address = 'http://127.0.0.1:4000/graphql'] = process.argv.slice(2);
if (streamId === undefined) {
  console.error('Usage: npx tsx examples/subscribe.ts STREAM_ID [ADDRESS]');
  process.exit(2);
}

const client = createClient({ url: address.replace(/^http/, 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 });
let after: string | null = null;
for (;;) {
  try {
    for await (const frame of framesAfter(after)) {
      print(frame);
      after = frame.cursor;
    }
    break;
  } catch (reason) {
    // A refused operation comes as a list of GraphQL errors, a lost connection as a close event.
    if (Array.isArray(reason) || reason instanceof Error) throw reason;
    console.error('connection lost; trying again');
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
await client.dispose();

async function* framesAfter(cursor: string | null): AsyncGenerator<Frame> {
  const variables = { streamId, after: cursor };
  for await (const { data, errors } of client.iterate<{ frames: Frame }>({ query: QUERY, variables })) {
    if (errors !== undefined) throw new Error(errors.map(({ message }) => message).join('; '));
    if (data) yield data.frames;
  }
}

function print({ sequence, ptsSeconds, droppedBefore, faces }: Frame): void {
  const seen = faces.map(
    ({ track, smoothed: { valence, arousal, quadrant } }) =>
      `#${track.number} V ${valence.toFixed(2)} A ${arousal.toFixed(2)} ${quadrant}`,
  );
  const lost = droppedBefore === 0 ? '' : ` (${droppedBefore} lost before)`;
  console.log(`${sequence} ${ptsSeconds.toFixed(3)} s${lost}  ${seen.join('  ') || 'no face'}`);
}
