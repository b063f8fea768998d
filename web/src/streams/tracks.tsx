import { trackColour } from '../affect/colours.ts';
import { type StreamFragment, TracksDocument } from '../generated/graphql.ts';
import { Problem } from '../parts/problem.tsx';
import { useAsk } from '../parts/use-ask.ts';
import { affectText, isOpen, percentText, timeText, wordOf } from '../parts/words.ts';

/** More are in the API. */
const SHOWN = 200;
const EVERY_SECONDS = 10;

interface TracksProps {
  readonly stream: StreamFragment;
  /** The one that the other parts show alone; null for all. */
  readonly chosenId: string | null;
  readonly choose: (id: string | null) => void;
}

/** The faces that were followed through a stream. One of them can be chosen. */
export function Tracks({ stream: { id, status }, chosenId, choose }: TracksProps) {
  const { answer, failure } = useAsk(TracksDocument, () => ({ id, first: SHOWN }), {
    when: `${id} ${status}`,
    everySeconds: isOpen(status) ? EVERY_SECONDS : null,
  });
  const page = answer?.stream?.tracks;
  return (
    <section aria-labelledby="tracks-title">
      <h2 id="tracks-title">Tracks</h2>
      <Problem failure={failure} />
      <div class="wide">
        <table>
          <thead>
            <tr>
              <th scope="col">Track</th>
              <th scope="col">From</th>
              <th scope="col">To</th>
              <th scope="col">Frames</th>
              <th scope="col">Valence</th>
              <th scope="col">Arousal</th>
              <th scope="col">Seems</th>
              <th scope="col">Face found</th>
            </tr>
          </thead>
          <tbody>
            {page?.nodes.map((track) => (
              <tr key={track.id} class={track.id === chosenId ? 'chosen' : ''}>
                <td>
                  <button
                    type="button"
                    class="plain"
                    aria-pressed={track.id === chosenId}
                    onClick={() => choose(track.id === chosenId ? null : track.id)}
                  >
                    <span class="dot" style={{ background: trackColour(track.number) }} />
                    {track.number}
                  </button>
                </td>
                <td>{timeText(track.firstPtsSeconds, 1)}</td>
                <td>{timeText(track.lastPtsSeconds, 1)}</td>
                <td>{track.frames.toLocaleString('en')}</td>
                <td>{affectText(track.meanAffect.valence)}</td>
                <td>{affectText(track.meanAffect.arousal)}</td>
                <td>{wordOf(track.meanAffect.quadrant)}</td>
                <td>{percentText(track.meanScore)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {page?.nodes.length === 0 && <p class="quiet">No face yet.</p>}
      {page?.pageInfo.hasNextPage && <p class="quiet">The first {SHOWN}; the API has all.</p>}
    </section>
  );
}
