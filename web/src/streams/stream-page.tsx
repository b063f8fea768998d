import { useState } from 'preact/hooks';
import { Circumplex } from '../affect/circumplex.tsx';
import { Expressions } from '../affect/expressions.tsx';
import { FaceBoxes } from '../affect/face-boxes.tsx';
import { FaceTable } from '../affect/face-table.tsx';
import type { StreamFragment } from '../generated/graphql.ts';
import { Problem } from '../parts/problem.tsx';
import { useSession } from '../parts/session.ts';
import { isOpen, timeText } from '../parts/words.ts';
import { routeHash } from '../route.ts';
import { useLiveFrames } from './live-frames.ts';
import { LocalVideo } from './local-video.tsx';
import { StreamActions } from './stream-actions.tsx';
import { StreamFacts } from './stream-facts.tsx';
import { Timeline } from './timeline.tsx';
import { Tracks } from './tracks.tsx';
import { lastSecond, useHistory } from './use-history.ts';
import { useStream } from './use-stream.ts';

/** A face moves on in this time, at sampling rates of one frame a second and more. */
const FAR_SECONDS = 1.5;

/** One stream: what is seen now or at a chosen moment, its course, its tracks. */
export function StreamPage({ id }: { readonly id: string }) {
  const { stream, failure } = useStream(id);
  return (
    <>
      <p>
        <a href={routeHash({ view: 'streams' })}>← All streams</a>
      </p>
      <Problem failure={failure} />
      {stream !== null && <KnownStream key={id} stream={stream} />}
    </>
  );
}

function KnownStream({ stream }: { readonly stream: StreamFragment }) {
  const { localVideos } = useSession();
  const { id, name, source, status, media, progress } = stream;
  const isRunning = isOpen(status);
  const [cursorSeconds, setCursorSeconds] = useState<number | null>(null);
  const [wanted, setWanted] = useState<{ readonly seconds: number } | null>(null);
  const [file, setFile] = useState(localVideos.get(id) ?? null);
  const [trackId, setTrackId] = useState<string | null>(null);
  const live = useLiveFrames(id, isRunning);

  // What has ended is looked at from its last frame on.
  const lookedSeconds = cursorSeconds ?? (isRunning || progress.framesDone === 0 ? null : lastSecond(stream));
  const looked = useHistory(stream, lookedSeconds);
  const frame = lookedSeconds === null ? (live.frames.at(-1) ?? null) : looked.frame;
  const past = lookedSeconds === null ? live.frames.slice(0, -1) : looked.past;
  const faces = (frame?.faces ?? []).filter(({ track }) => trackId === null || track.id === trackId);
  const size = frame ?? media ?? { width: 16, height: 9 };

  // Boxes of frames that were not looked at near the picture of a video would lie on nothing.
  const isOfAnotherMoment =
    file !== null && frame !== null && Math.abs(frame.ptsSeconds - (lookedSeconds ?? frame.ptsSeconds)) > FAR_SECONDS;

  function look(seconds: number | null): void {
    setCursorSeconds(seconds);
    if (seconds !== null) setWanted({ seconds });
  }

  function show(chosen: File | null): void {
    if (chosen === null) localVideos.delete(id);
    else localVideos.set(id, chosen);
    setFile(chosen);
  }

  return (
    <>
      <section aria-labelledby="stream-title">
        <div class="row">
          <h2 id="stream-title">{name}</h2>
          <StreamActions stream={stream} />
        </div>
        <StreamFacts stream={stream} />
        <Problem failure={live.failure ?? looked.failure} />
      </section>
      <div class="halves">
        <section aria-labelledby="frame-title">
          <h2 id="frame-title">
            Frame{' '}
            <span class="quiet">
              {frame !== null && `${frame.sequence}, ${timeText(frame.ptsSeconds, 2)}`}
              {frame !== null && lookedSeconds === null && `, scored in ${Math.round(frame.latencyMs)} ms`}
            </span>
          </h2>
          <FaceBoxes faces={isOfAnotherMoment ? [] : faces} size={size}>
            {file === null ? (
              <p class="cover">Pictures are never kept: these are the boxes.</p>
            ) : (
              <LocalVideo file={file} wanted={wanted} onShown={(seconds) => setCursorSeconds(seconds)} />
            )}
          </FaceBoxes>
          {source === 'FILE' && (
            <label class="inline">
              {file === null ? 'Show the video of this device under them; it is not sent:' : 'Another file:'}{' '}
              <input
                type="file"
                accept="video/*"
                onChange={({ currentTarget }) => show(currentTarget.files?.[0] ?? null)}
              />
            </label>
          )}
          {live.dropped > 0 && <p class="warning">{live.dropped} frames came too fast for this page.</p>}
          <FaceTable faces={faces} />
        </section>
        <section aria-labelledby="circumplex-title">
          <h2 id="circumplex-title">Circumplex</h2>
          <Circumplex faces={faces} past={past} />
          <h3>Apparent expressions {faces[0] && <span class="quiet">of face {faces[0].track.number}</span>}</h3>
          <Expressions expressions={faces[0]?.expressions ?? []} />
        </section>
      </div>
      <Timeline
        stream={stream}
        newestSeconds={live.frames.at(-1)?.ptsSeconds ?? null}
        cursorSeconds={cursorSeconds}
        onLook={look}
        trackId={trackId}
        canFollow={file === null}
      />
      <Tracks stream={stream} chosenId={trackId} choose={setTrackId} />
    </>
  );
}
