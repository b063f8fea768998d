import { useState } from 'preact/hooks';
import {
  DeleteStreamDocument,
  StopStreamDocument,
  type StreamFragment,
  StreamsDocument,
} from '../generated/graphql.ts';
import { FIRST, Older } from '../parts/older.tsx';
import { Problem } from '../parts/problem.tsx';
import { useSession } from '../parts/session.ts';
import { useAsk } from '../parts/use-ask.ts';
import { countText, isOpen, timeText } from '../parts/words.ts';
import { routeHash } from '../route.ts';
import { type Failure, toFailure } from '../server/failure.ts';
import { AddSource } from './add-source.tsx';
import { Status } from './status.tsx';

/** The list is asked for again: often while something in it runs. */
const EVERY_SECONDS = { open: 2, ended: 10 };

/** All streams, newest first, as they are now; and the ways to make one. */
export function StreamsPage() {
  const { server } = useSession();
  const [first, setFirst] = useState(FIRST.least);
  const [done, setDone] = useState(0);
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const asked = useAsk(StreamsDocument, () => ({ first }), {
    when: `${first} ${done}`,
    everySeconds: (answer) =>
      answer?.streams.nodes.some(({ status }) => isOpen(status)) ? EVERY_SECONDS.open : EVERY_SECONDS.ended,
  });
  const page = asked.answer?.streams;
  const streams = page?.nodes ?? [];

  async function attempt(work: () => Promise<unknown>): Promise<void> {
    setBusy(true);
    try {
      await work();
      setFailure(null);
      setDone((count) => count + 1);
    } catch (thrown) {
      setFailure(toFailure(thrown));
    } finally {
      setBusy(false);
    }
  }

  function erase({ id, name }: StreamFragment): void {
    if (!confirm(`Erase “${name}” with every estimate of it?`)) return;
    void attempt(() => server.ask(DeleteStreamDocument, { id }));
  }

  return (
    <>
      <AddSource />
      <section aria-labelledby="streams-title">
        <h2 id="streams-title">Streams</h2>
        <Problem failure={failure ?? asked.failure} />
        {page?.nodes.length === 0 && <p class="quiet">None yet. Add a video, a camera or a live source above.</p>}
        {streams.length > 0 && (
          <div class="wide">
            <table class="streams">
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col">State</th>
                  <th scope="col">Frames</th>
                  <th scope="col">Faces</th>
                  <th scope="col">Time</th>
                  <th scope="col">Made</th>
                  <th scope="col">
                    <span class="hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {streams.map((stream) => (
                  <StreamRow
                    key={stream.id}
                    stream={stream}
                    isBusy={isBusy}
                    stop={() => void attempt(() => server.ask(StopStreamDocument, { id: stream.id }))}
                    erase={() => erase(stream)}
                  />
                ))}
              </tbody>
            </table>
          </div>
        )}
        <Older first={first} hasMore={page?.pageInfo.hasNextPage === true} show={setFirst} />
      </section>
    </>
  );
}

interface StreamRowProps {
  readonly stream: StreamFragment;
  readonly isBusy: boolean;
  readonly stop: () => void;
  readonly erase: () => void;
}

function StreamRow({ stream, isBusy, stop, erase }: StreamRowProps) {
  const { id, name, labels, status, source, progress, createdAt, error } = stream;
  return (
    <tr>
      <td>
        <a href={routeHash({ view: 'stream', id })}>{name}</a>{' '}
        <span class="quiet">{[source.toLowerCase(), ...labels].join(', ')}</span>
      </td>
      <td>
        <Status status={status} />
        <span class="quiet">
          {status === 'RUNNING' && progress.share !== null && ` ${Math.floor(progress.share * 100)} %`}
          {error !== null && ` ${error.message}`}
        </span>
      </td>
      <td class="number">{progress.framesDone.toLocaleString('en')}</td>
      <td class="number">{progress.facesFound.toLocaleString('en')}</td>
      <td class="number">{timeText(progress.mediaSecondsDone)}</td>
      <td class="number">
        <time dateTime={createdAt}>{new Date(createdAt).toLocaleString()}</time>
      </td>
      <td class="actions">
        {isOpen(status) && (
          <button type="button" class="plain" disabled={isBusy} onClick={stop} aria-label={`Stop ${name}`}>
            Stop
          </button>
        )}
        <button
          type="button"
          class="plain"
          disabled={isBusy}
          onClick={erase}
          aria-label={`Erase ${name}, ${countText(progress.framesDone, 'frame')}`}
        >
          Erase
        </button>
      </td>
    </tr>
  );
}
