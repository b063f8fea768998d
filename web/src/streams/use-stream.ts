import { useEffect, useState } from 'preact/hooks';
import { type StreamFragment, StreamStatusDocument } from '../generated/graphql.ts';
import { useSession } from '../parts/session.ts';
import { type Failure, toFailure } from '../server/failure.ts';

/** A stream as it is now, and why it is not known. */
export interface FollowedStream {
  readonly stream: StreamFragment | null;
  readonly failure: Failure | null;
}

export function useStream(streamId: string): FollowedStream {
  const { server } = useSession();
  const [followed, setFollowed] = useState<FollowedStream>({ stream: null, failure: null });
  useEffect(() => {
    const ending = new AbortController();
    setFollowed({ stream: null, failure: null });
    const fail = (failure: Failure) => setFollowed(({ stream }) => ({ stream, failure }));
    server
      .follow(StreamStatusDocument, () => ({ streamId }), {
        signal: ending.signal,
        tell: fail,
        take: ({ streamStatus }) => setFollowed({ stream: streamStatus, failure: null }),
      })
      .catch((thrown: unknown) => {
        if (!ending.signal.aborted) fail(toFailure(thrown));
      });
    return () => ending.abort();
  }, [server, streamId]);
  return followed;
}
