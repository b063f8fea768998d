import { useState } from 'preact/hooks';
import { DeleteStreamDocument, StopStreamDocument, type StreamFragment } from '../generated/graphql.ts';
import { Problem } from '../parts/problem.tsx';
import { useSession } from '../parts/session.ts';
import { isOpen } from '../parts/words.ts';
import { routeHash } from '../route.ts';
import { type Failure, toFailure } from '../server/failure.ts';

type Format = 'csv' | 'jsonl';

/** What can be done with a stream. */
export function StreamActions({ stream: { id, name, status } }: { readonly stream: StreamFragment }) {
  const { server } = useSession();
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);

  async function attempt(work: () => Promise<unknown>): Promise<void> {
    setBusy(true);
    try {
      await work();
      setFailure(null);
    } catch (thrown) {
      setFailure(toFailure(thrown));
    } finally {
      setBusy(false);
    }
  }

  async function erase(): Promise<void> {
    if (!confirm(`Erase “${name}” with every estimate of it?`)) return;
    await server.ask(DeleteStreamDocument, { id });
    location.hash = routeHash({ view: 'streams' });
  }

  return (
    <>
      <span class="actions">
        {isOpen(status) && (
          <button
            type="button"
            disabled={isBusy}
            onClick={() => void attempt(() => server.ask(StopStreamDocument, { id }))}
          >
            Stop
          </button>
        )}
        {(['csv', 'jsonl'] as const).map((format) => (
          <Download key={format} id={id} format={format} attempt={attempt} />
        ))}
        <button type="button" class="plain" disabled={isBusy} onClick={() => void attempt(erase)}>
          Erase
        </button>
      </span>
      <Problem failure={failure} />
    </>
  );
}

interface DownloadProps {
  readonly id: string;
  readonly format: Format;
  readonly attempt: (work: () => Promise<unknown>) => Promise<void>;
}

function Download({ id, format, attempt }: DownloadProps) {
  const { server } = useSession();
  const name = format === 'csv' ? 'CSV' : 'JSON lines';
  // A link goes without the key: with one the browser has to hold the rows before it can save them.
  if (!server.hasKey) {
    return (
      <a class="button plain" href={server.exportUrl(id, format)} download={`${id}.${format}`}>
        {name}
      </a>
    );
  }
  return (
    <button
      type="button"
      class="plain"
      onClick={() => void attempt(async () => save(await server.rows(id, format), `${id}.${format}`))}
    >
      {name}
    </button>
  );
}

function save(rows: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(rows);
  link.download = name;
  link.click();
  // Not at once: some browsers read it a moment later.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
