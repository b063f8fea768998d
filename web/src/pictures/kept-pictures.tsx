import { useState } from 'preact/hooks';
import { DeleteImageDocument, ImagesDocument, type PictureFragment } from '../generated/graphql.ts';
import { FIRST, Older } from '../parts/older.tsx';
import { Problem } from '../parts/problem.tsx';
import { useSession } from '../parts/session.ts';
import { useAsk } from '../parts/use-ask.ts';
import { countText } from '../parts/words.ts';
import { type Failure, toFailure } from '../server/failure.ts';
import { Picture } from './picture.tsx';

/** The pictures whose estimates were kept, newest first. `turn` changes when one has come. */
export function KeptPictures({ turn }: { readonly turn: number }) {
  const { server } = useSession();
  const [first, setFirst] = useState(FIRST.least);
  const [erased, setErased] = useState(0);
  const [shownId, setShownId] = useState<string | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const asked = useAsk(ImagesDocument, () => ({ first }), { when: `${first} ${erased} ${turn}` });
  const page = asked.answer?.images;

  async function erase({ id, name }: PictureFragment): Promise<void> {
    if (!confirm(`Erase the estimates of “${name ?? id}”?`)) return;
    try {
      await server.ask(DeleteImageDocument, { id });
      setFailure(null);
      setErased((count) => count + 1);
    } catch (thrown) {
      setFailure(toFailure(thrown));
    }
  }

  return (
    <section aria-labelledby="kept-title">
      <h2 id="kept-title">Kept estimates</h2>
      <Problem failure={failure ?? asked.failure} />
      {page?.nodes.length === 0 && <p class="quiet">None.</p>}
      <ul class="kept">
        {page?.nodes.map((picture) => {
          const { id, name, createdAt, faces } = picture;
          const isShown = id === shownId;
          return (
            <li key={id}>
              <div class="row">
                <button
                  type="button"
                  class="plain"
                  aria-expanded={isShown}
                  onClick={() => setShownId(isShown ? null : id)}
                >
                  {name ?? 'a picture'}
                </button>
                <span>{countText(faces.length, 'face')}</span>
                <time class="quiet" dateTime={createdAt}>
                  {new Date(createdAt).toLocaleString()}
                </time>
                <button
                  type="button"
                  class="plain"
                  onClick={() => void erase(picture)}
                  aria-label={`Erase ${name ?? 'a picture'}`}
                >
                  Erase
                </button>
              </div>
              {isShown && <Picture picture={picture} />}
            </li>
          );
        })}
      </ul>
      <Older first={first} hasMore={page?.pageInfo.hasNextPage === true} show={setFirst} />
    </section>
  );
}
