import { useEffect, useRef, useState } from 'preact/hooks';
import { AnalyzeImageDocument, type AnalyzeImageMutation } from '../generated/graphql.ts';
import { Problem } from '../parts/problem.tsx';
import { useSession } from '../parts/session.ts';
import { routeHash } from '../route.ts';
import { type Failure, toFailure } from '../server/failure.ts';
import { KeptPictures } from './kept-pictures.tsx';
import { Picture } from './picture.tsx';

/** Of one request. */
const MOST_FILES = 16;

type Result = AnalyzeImageMutation['analyzeImage']['results'][number];

/** A picture of this device with what the server says of it. */
interface Scored {
  readonly address: string;
  readonly result: Result;
}

/** Still pictures: sent, scored and shown with their boxes. */
export function PicturesPage() {
  const { server } = useSession();
  const [scored, setScored] = useState<readonly Scored[]>([]);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [isKept, setKept] = useState(false);
  const [turn, setTurn] = useState(0);
  const ending = useRef(new AbortController());
  const addresses = useRef<string[]>([]);
  const forget = () => {
    for (const address of addresses.current.splice(0)) URL.revokeObjectURL(address);
  };
  useEffect(
    () => () => {
      ending.current.abort();
      forget();
    },
    [],
  );

  async function score(files: readonly File[]): Promise<void> {
    setBusy(true);
    setFailure(null);
    const { signal } = ending.current;
    try {
      const { analyzeImage } = await server.ask(AnalyzeImageDocument, { files, store: isKept }, { signal });
      forget();
      addresses.current = files.map((file) => URL.createObjectURL(file));
      setTurn((count) => count + 1);
      setScored(analyzeImage.results.map((result, index) => ({ result, address: addresses.current[index]! })));
    } catch (thrown) {
      if (!signal.aborted) setFailure(toFailure(thrown));
    } finally {
      setBusy(false);
    }
  }

  return (
    <>
      <p>
        <a href={routeHash({ view: 'streams' })}>← All streams</a>
      </p>
      <section aria-labelledby="pictures-title">
        <h2 id="pictures-title">Pictures</h2>
        <Problem failure={failure} />
        <div class="row">
          <label>
            Up to {MOST_FILES} pictures{' '}
            <input
              type="file"
              accept="image/*"
              multiple
              disabled={isBusy}
              onChange={({ currentTarget }) => {
                const files = [...(currentTarget.files ?? [])];
                currentTarget.value = '';
                if (files.length > 0) void score(files);
              }}
            />
          </label>
          <label class="inline">
            <input type="checkbox" checked={isKept} onChange={({ currentTarget }) => setKept(currentTarget.checked)} />{' '}
            keep the estimates
          </label>
        </div>
        {isBusy && <p role="status">Scoring.</p>}
        <p class="quiet">The pictures go to the server, which keeps none of them.</p>
      </section>
      {scored.map(({ address, result }) => (
        <Result key={address} address={address} result={result} />
      ))}
      <KeptPictures turn={turn} />
    </>
  );
}

function Result({ address, result: { name, analysis, error } }: Scored) {
  return (
    <section aria-label={name ?? 'A picture'}>
      <h2>{name}</h2>
      {error !== null && (
        <p class="problem">
          {error.code}: {error.message}
        </p>
      )}
      {analysis !== null && <Picture picture={analysis} address={address} />}
    </section>
  );
}
