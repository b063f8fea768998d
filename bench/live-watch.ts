/** Streams that a bench has opened at a server of its own, and what a subscriber sees of them. */
import type { ServerProcess } from '../test/faults/fixtures/server-process.ts';

export interface WatchedFrame {
  readonly sequence: number;
  readonly ptsSeconds: number;
  readonly capturedAtMs: number;
  readonly receivedAtMs: number;
  readonly faces: number;
  readonly skippedBefore: number;
  readonly droppedBefore: number;
}

/** No more than the source sends; asking for exactly its rate would make a lottery of every frame that comes early. */
const ASKED_FRAMES_PER_SECOND = 25;

export async function openLive(server: ServerProcess, url: string): Promise<string> {
  const open = `mutation ($url: String!) { openStream(input: { url: $url, framesPerSecond: ${ASKED_FRAMES_PER_SECOND} }) { id } }`;
  const { data, errors } = await server.query(open, { url });
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data.openStream.id as string;
}

const FRAMES = `subscription ($id: ID!) { frames(streamId: $id, fromStart: false) {
  sequence ptsSeconds capturedAt skippedBefore droppedBefore faces { score affect { valence arousal } } } }`;

interface Told {
  readonly frames: {
    readonly sequence: number;
    readonly ptsSeconds: number;
    readonly capturedAt: string;
    readonly skippedBefore: number;
    readonly droppedBefore: number;
    readonly faces: readonly unknown[];
  };
}

/** Subscribes on a connection of its own and hands on each frame, until it is disposed of. */
export function watchLive(server: ServerProcess, id: string, take: (frame: WatchedFrame) => void): AsyncDisposable {
  const client = server.client();
  client.subscribe<Told>(
    { query: FRAMES, variables: { id } },
    {
      next({ data, errors }) {
        if (errors !== undefined || data == null) throw new Error(JSON.stringify(errors));
        const { capturedAt, faces, ...frame } = data.frames;
        const receivedAtMs = Date.now();
        take({ ...frame, faces: faces.length, capturedAtMs: Date.parse(capturedAt), receivedAtMs });
      },
      // The end of the bench cuts it off.
      error: () => undefined,
      complete: () => undefined,
    },
  );
  return { [Symbol.asyncDispose]: async () => client.dispose() };
}
