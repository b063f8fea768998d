import { useEffect, useMemo, useState } from 'preact/hooks';
import { EngineDocument } from './generated/graphql.ts';
import { KeyForm } from './parts/key-form.tsx';
import { Notice } from './parts/notice.tsx';
import { Problem } from './parts/problem.tsx';
import { openSession, SessionContext } from './parts/session.ts';
import { useAsk } from './parts/use-ask.ts';
import { PicturesPage } from './pictures/pictures-page.tsx';
import { parseRoute, type Route } from './route.ts';
import { StreamPage } from './streams/stream-page.tsx';
import { StreamsPage } from './streams/streams-page.tsx';
import { UploadList } from './streams/upload-list.tsx';
import { WebcamPage } from './webcam/webcam-page.tsx';

const ENGINE_SECONDS = 10;

export function App() {
  const [key, setKey] = useState('');
  const session = useMemo(() => openSession({ origin: location.origin, key }), [key]);
  useEffect(() => () => session[Symbol.dispose](), [session]);
  return (
    <SessionContext.Provider value={session}>
      <Frame setKey={setKey} />
    </SessionContext.Provider>
  );
}

function Frame({ setKey }: { readonly setKey: (key: string) => void }) {
  const route = useRoute();
  const { answer, failure } = useAsk(EngineDocument, () => ({}), { when: '', everySeconds: ENGINE_SECONDS });
  const engine = answer?.engine;
  const asksForKey = failure?.code === 'UNAUTHENTICATED';
  return (
    <>
      <header>
        <h1>
          <a href="#/">circumplex</a>
        </h1>
        <p class="quiet">apparent valence and arousal of faces, an estimate</p>
        <p class="quiet right">
          {engine &&
            `${engine.modelName} ${engine.modelVersion}, ${engine.provider}, ${engine.workers} workers · ` +
              `${engine.liveStreams} live, ${engine.jobsRunning} of ${engine.jobsRunning + engine.jobsQueued} jobs at work · `}
          <a href="/graphql">API</a>
        </p>
      </header>
      <main>
        {failure !== null && !asksForKey && <Problem failure={failure} />}
        <UploadList />
        {asksForKey ? <KeyForm failure={failure} setKey={setKey} /> : <View route={route} />}
      </main>
      <Notice />
    </>
  );
}

function View({ route }: { readonly route: Route }) {
  switch (route.view) {
    case 'streams':
      return <StreamsPage />;
    case 'stream':
      return <StreamPage id={route.id} />;
    case 'pictures':
      return <PicturesPage />;
    case 'webcam':
      return <WebcamPage />;
  }
}

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const moved = () => {
      setHash(location.hash);
      scrollTo(0, 0);
    };
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  return parseRoute(hash);
}
