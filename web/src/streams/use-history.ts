import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { StreamFragment } from '../generated/graphql.ts';
import { useSession } from '../parts/session.ts';
import { isOpen } from '../parts/words.ts';
import type { Failure } from '../server/failure.ts';
import { FrameStore, type Seen } from './frame-store.ts';

/** The frame of a stream's history at a media time, null for none; it comes when the server has answered. */
export function useHistory(
  stream: StreamFragment,
  seconds: number | null,
): Seen & { readonly failure: Failure | null } {
  const { server } = useSession();
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [store, setStore] = useState<FrameStore | null>(null);
  const latest = useRef(stream);
  latest.current = stream;
  useEffect(() => {
    const opened = new FrameStore({
      server,
      streamId: stream.id,
      isRunning: () => isOpen(latest.current.status),
      changed: () => redraw(undefined),
    });
    setStore(opened);
    return () => opened.close();
  }, [server, stream.id]);
  if (seconds === null || store === null) return { frame: null, past: [], failure: null };
  return { ...store.at(seconds), failure: store.failure };
}

/** Media time of a stream's last frame, about. */
export function lastSecond({ media, progress }: StreamFragment): number {
  return (media?.startSeconds ?? 0) + progress.mediaSecondsDone;
}
