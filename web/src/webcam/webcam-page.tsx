import { useEffect, useRef, useState } from 'preact/hooks';
import { Circumplex } from '../affect/circumplex.tsx';
import { Expressions } from '../affect/expressions.tsx';
import { FaceBoxes } from '../affect/face-boxes.tsx';
import { FaceTable } from '../affect/face-table.tsx';
import { type FrameFragment, OpenPushDocument, PushFrameDocument, StopStreamDocument } from '../generated/graphql.ts';
import { Problem } from '../parts/problem.tsx';
import { useSession } from '../parts/session.ts';
import { routeHash } from '../route.ts';
import { Failure, toFailure } from '../server/failure.ts';
import { Patience, pause } from '../server/patience.ts';
import type { Server } from '../server/server.ts';
import { withFrame } from '../streams/live-frames.ts';
import { risingClock, showCamera, takePicture } from './camera.ts';

/** Faster than this, the same picture would be sent again. */
const SPACING_SECONDS = 1 / 15;
/** A stream that is left open counts among those that may be, so its stop is insisted on. */
const STOP_SECONDS = 20;
const RETENTION_DAYS = 1;

interface Watching {
  readonly video: HTMLVideoElement;
  readonly ending: AbortController;
  readonly opened: (streamId: string) => void;
  readonly show: (frame: FrameFragment) => void;
  readonly tell: (failure: Failure) => void;
}

/** The camera of this device, scored live. */
export function WebcamPage() {
  const { server } = useSession();
  const video = useRef<HTMLVideoElement>(null);
  const running = useRef<AbortController | null>(null);
  const [isRunning, setRunning] = useState(false);
  const [streamId, setStreamId] = useState<string | null>(null);
  const [frames, setFrames] = useState<readonly FrameFragment[]>([]);
  const [failure, setFailure] = useState<Failure | null>(null);
  useEffect(() => {
    // A tab that is killed leaves the stream to the server's PUSH_IDLE_SECONDS.
    const leave = () => running.current?.abort();
    addEventListener('pagehide', leave);
    return () => {
      removeEventListener('pagehide', leave);
      leave();
    };
  }, []);

  async function start(): Promise<void> {
    const ending = new AbortController();
    running.current = ending;
    setRunning(true);
    setFailure(null);
    setFrames([]);
    try {
      await sendCamera(server, {
        video: video.current!,
        ending,
        opened: setStreamId,
        show(frame) {
          setFailure(null);
          setFrames((before) => withFrame(before, frame));
        },
        tell: setFailure,
      });
    } catch (thrown) {
      // Whoever pressed Stop needs no reason.
      if (!ending.signal.aborted || thrown instanceof Failure) setFailure(toFailure(thrown));
    } finally {
      ending.abort();
      running.current = null;
      setRunning(false);
    }
  }

  const frame = frames.at(-1) ?? null;
  const faces = frame?.faces ?? [];
  return (
    <>
      <p>
        <a href={routeHash({ view: 'streams' })}>← All streams</a>
      </p>
      <section aria-labelledby="webcam-title">
        <div class="row">
          <h2 id="webcam-title">Camera</h2>
          {isRunning ? (
            <button type="button" onClick={() => running.current?.abort()}>
              Stop
            </button>
          ) : (
            <button type="button" onClick={() => void start()}>
              Start
            </button>
          )}
          {streamId !== null && <a href={routeHash({ view: 'stream', id: streamId })}>Its stream and history</a>}
        </div>
        <p class="quiet">
          The pictures go to this server, which keeps none of them; the estimates are erased a day after the end. Tell
          everybody who is seen, beforehand.
        </p>
        <Problem failure={failure} />
      </section>
      <div class="halves">
        <section aria-labelledby="picture-title">
          <h2 id="picture-title">
            Picture{' '}
            <span class="quiet">
              {frame !== null && `${frame.sequence + 1} sent, scored in ${Math.round(frame.latencyMs)} ms`}
            </span>
          </h2>
          <FaceBoxes faces={faces} size={frame ?? { width: 16, height: 9 }}>
            <video ref={video} muted playsinline />
          </FaceBoxes>
          <FaceTable faces={faces} />
        </section>
        <section aria-labelledby="circumplex-title">
          <h2 id="circumplex-title">Circumplex</h2>
          <Circumplex faces={faces} past={frames.slice(0, -1)} />
          <h3>Apparent expressions {faces[0] && <span class="quiet">of face {faces[0].track.number}</span>}</h3>
          <Expressions expressions={faces[0]?.expressions ?? []} />
        </section>
      </div>
    </>
  );
}

/** Sends picture after picture, each when the one before has its answer, until `ending` is aborted. */
async function sendCamera(server: Server, { video, ending, opened, show, tell }: Watching): Promise<void> {
  const { signal } = ending;
  await showCamera(video, ending);
  const patience = new Patience({ signal, tell });
  // Not cut short: whoever asked for a stream has to know which one to stop.
  const input = { name: 'camera', retentionDays: RETENTION_DAYS };
  const { openPush } = await patience.insist(() => server.ask(OpenPushDocument, { input }));
  const { id: streamId } = openPush;
  opened(streamId);
  // At once, also while the tab is closing.
  const stop = () => void stopStream(server, streamId, tell);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const clock = risingClock();
  for (;;) {
    const beganMs = performance.now();
    signal.throwIfAborted();
    try {
      const variables = { streamId, frame: takePicture(video), capturedAt: clock() };
      show((await server.ask(PushFrameDocument, variables, { signal })).pushFrame);
      patience.calm();
    } catch (thrown) {
      await patience.after(thrown);
    }
    await pause(SPACING_SECONDS - (performance.now() - beganMs) / 1000, signal);
  }
}

async function stopStream(server: Server, id: string, tell: (failure: Failure) => void): Promise<void> {
  const patience = new Patience({ signal: AbortSignal.timeout(STOP_SECONDS * 1000), tell });
  await patience
    .insist(() => server.ask(StopStreamDocument, { id }, { keepalive: true }))
    .catch((thrown: unknown) => tell(toFailure(thrown)));
}
