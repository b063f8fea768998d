import { useEffect, useState } from 'preact/hooks';
import { type FrameFragment, FramesDocument } from '../generated/graphql.ts';
import { useSession } from '../parts/session.ts';
import { type Failure, toFailure } from '../server/failure.ts';

/** How long the way of a face on the circumplex is. */
export const TRAIL_SECONDS = 4;

/** The newest frame of a stream, and those of the seconds before it. */
export interface LiveFrames {
  readonly frames: readonly FrameFragment[];
  /** Frames that this page lost because it took them too slowly. */
  readonly dropped: number;
  readonly failure: Failure | null;
}

const NONE: LiveFrames = { frames: [], dropped: 0, failure: null };

/** `frame` behind the frames that are at most {@link TRAIL_SECONDS} older. */
export function withFrame(frames: readonly FrameFragment[], frame: FrameFragment): readonly FrameFragment[] {
  const firstKept = frames.findIndex(({ ptsSeconds }) => ptsSeconds >= frame.ptsSeconds - TRAIL_SECONDS);
  return [...(firstKept < 0 ? [] : frames.slice(firstKept)), frame];
}

/** Follows a stream from now on, as long as `isRunning`; drawn as often as the screen is. */
export function useLiveFrames(streamId: string, isRunning: boolean): LiveFrames {
  const { server } = useSession();
  const [live, setLive] = useState<LiveFrames>(NONE);
  useEffect(() => {
    if (!isRunning) return;
    const ending = new AbortController();
    let frames: readonly FrameFragment[] = [];
    let dropped = 0;
    let failure: Failure | null = null;
    let drawing: number | null = null;
    const draw = (said: Failure | null) => {
      failure = said;
      drawing ??= requestAnimationFrame(() => {
        drawing = null;
        setLive({ frames, dropped, failure });
      });
    };
    // After a lost connection too: whoever was away for a night wants what is now, and the history has the rest.
    const variables = () => ({ streamId, after: null, fromStart: false });
    server
      .follow(FramesDocument, variables, {
        signal: ending.signal,
        // The stream itself is followed too, and says so; here the next frame may be an hour away.
        tell: () => undefined,
        take: ({ frames: frame }) => {
          frames = withFrame(frames, frame);
          dropped += frame.droppedBefore;
          draw(null);
        },
      })
      .catch((thrown: unknown) => {
        if (!ending.signal.aborted) draw(toFailure(thrown));
      });
    return () => {
      ending.abort();
      if (drawing !== null) cancelAnimationFrame(drawing);
      setLive(NONE);
    };
  }, [server, streamId, isRunning]);
  return live;
}
