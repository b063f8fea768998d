import { useEffect, useReducer } from 'preact/hooks';
import { useSession } from '../parts/session.ts';
import { percentText } from '../parts/words.ts';
import { routeHash } from '../route.ts';
import type { Upload } from './uploads.ts';

/** The videos that this tab sends, whichever view is shown. */
export function UploadList() {
  const { uploads } = useSession();
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => uploads.watch(() => redraw(undefined)), [uploads]);
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => {
      if (uploads.isSending) event.preventDefault();
    };
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [uploads]);
  if (uploads.list.length === 0) return null;
  return (
    <section aria-label="Videos on their way">
      <ul class="uploads">
        {uploads.list.map((upload) => (
          <UploadLine key={upload.number} upload={upload} remove={() => uploads.remove(upload.number)} />
        ))}
      </ul>
    </section>
  );
}

function UploadLine({ upload: { file, state }, remove }: { readonly upload: Upload; readonly remove: () => void }) {
  const isOver = state.kind === 'done' || state.kind === 'failed';
  return (
    <li>
      {state.kind === 'done' ? <a href={routeHash({ view: 'stream', id: state.streamId })}>{file.name}</a> : file.name}:{' '}
      {state.kind === 'waiting' && 'waits for the one before it'}
      {state.kind === 'sending' && (
        <>
          <progress value={state.share} max={1} /> {percentText(state.share)}
        </>
      )}
      {state.kind === 'done' && <span role="status">is there</span>}
      {state.kind === 'failed' && (
        <span class="problem" role="alert">
          {state.failure.message}
        </span>
      )}{' '}
      <button type="button" class="plain" onClick={remove} aria-label={`${isOver ? 'Forget' : 'Give up'} ${file.name}`}>
        {isOver ? 'Forget' : 'Give up'}
      </button>
    </li>
  );
}
