import { useEffect, useRef, useState } from 'preact/hooks';
import { OpenStreamDocument } from '../generated/graphql.ts';
import { Problem } from '../parts/problem.tsx';
import { useSession } from '../parts/session.ts';
import { parseRoute, routeHash } from '../route.ts';
import { Failure, toFailure } from '../server/failure.ts';
import { isPicture, liveInput } from './source-input.ts';

/** Videos and live sources; where to go with pictures and a camera. */
export function AddSource() {
  const { server, uploads } = useSession();
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [framesPerSecond, setFramesPerSecond] = useState('');
  const [labels, setLabels] = useState('');
  const isShown = useRef(true);
  useEffect(
    () => () => {
      isShown.current = false;
    },
    [],
  );

  /** Whoever has gone elsewhere meanwhile stays there. */
  function show(id: string): void {
    if (isShown.current && parseRoute(location.hash).view === 'streams')
      location.hash = routeHash({ view: 'stream', id });
  }

  async function sendVideos(files: readonly File[]): Promise<void> {
    const pictures = files.filter(isPicture);
    const message = `Pictures are scored elsewhere: ${pictures.map(({ name }) => name).join(', ')}. Take "Score pictures".`;
    setFailure(pictures.length === 0 ? null : new Failure({ message }));
    const videos = files.filter((file) => !isPicture(file));
    const ids = await Promise.all(videos.map((file) => uploads.send(file, { framesPerSecond, labels })));
    const [id] = ids;
    if (ids.length === 1 && id) show(id);
  }

  async function openLive(form: HTMLFormElement): Promise<void> {
    const fields = new FormData(form);
    const text = (name: string) => String(fields.get(name) ?? '');
    setBusy(true);
    setFailure(null);
    try {
      const choices = { url: text('url'), name: text('name'), framesPerSecond: text('rate'), labels: text('labels') };
      show((await server.ask(OpenStreamDocument, { input: liveInput(choices) })).openStream.id);
    } catch (thrown) {
      setFailure(toFailure(thrown));
    } finally {
      setBusy(false);
    }
  }

  return (
    <section aria-labelledby="add-title">
      <h2 id="add-title">Add</h2>
      <Problem failure={failure} />
      <div class="columns">
        <form class="add" onSubmit={(event) => event.preventDefault()}>
          <h3>Videos</h3>
          <label>
            Files
            <input
              type="file"
              name="videos"
              accept="video/*,.mkv,.ts,.avi,.flv,.wmv"
              multiple
              onChange={({ currentTarget }) => {
                const files = [...(currentTarget.files ?? [])];
                currentTarget.value = '';
                void sendVideos(files);
              }}
            />
          </label>
          <label>
            Frames looked at
            <select value={framesPerSecond} onChange={({ currentTarget }) => setFramesPerSecond(currentTarget.value)}>
              <option value="">every frame</option>
              <option value="10">10 a second</option>
              <option value="5">5 a second</option>
              <option value="1">1 a second</option>
            </select>
          </label>
          <label>
            Labels, between commas
            <input value={labels} onInput={({ currentTarget }) => setLabels(currentTarget.value)} autocomplete="off" />
          </label>
        </form>
        <form
          class="add"
          onSubmit={(event) => {
            event.preventDefault();
            void openLive(event.currentTarget);
          }}
        >
          <h3>A live source</h3>
          <label>
            Address: rtsp, rtmp, srt, udp, http or https
            <input
              name="url"
              required
              placeholder="rtsp://user:secret@camera/stream"
              autocomplete="off"
              spellcheck={false}
            />
          </label>
          <label>
            Name
            <input name="name" maxLength={200} autocomplete="off" />
          </label>
          <label>
            Frames a second, at most
            <input name="rate" type="number" min="0.1" max="1000" step="any" placeholder="5" />
          </label>
          <label>
            Labels, between commas
            <input name="labels" autocomplete="off" />
          </label>
          <button type="submit" disabled={isBusy}>
            Open
          </button>
        </form>
        <div class="add">
          <h3>Pictures, a camera</h3>
          <p>
            <a href={routeHash({ view: 'pictures' })}>Score pictures</a>: up to 16 at once.
          </p>
          <p>
            <a href={routeHash({ view: 'webcam' })}>Use the camera of this device</a>: live, for whoever agreed to be
            seen.
          </p>
        </div>
      </div>
    </section>
  );
}
