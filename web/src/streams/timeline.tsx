import { useState } from 'preact/hooks';
import { AROUSAL, VALENCE } from '../affect/colours.ts';
import { CourseDocument, type StreamFragment } from '../generated/graphql.ts';
import { Problem } from '../parts/problem.tsx';
import { useAsk } from '../parts/use-ask.ts';
import { countText, isOpen, timeText } from '../parts/words.ts';
import { Summary } from './summary.tsx';
import { TimelineChart } from './timeline-chart.tsx';
import { type Bucket, bucketSecondsFor, type Range } from './timeline-data.ts';
import { lastSecond } from './use-history.ts';

/** The newest seconds that can be watched; null for all. */
const WINDOWS: readonly { readonly seconds: number | null; readonly name: string }[] = [
  { seconds: 60, name: 'last minute' },
  { seconds: 600, name: 'last 10 minutes' },
  { seconds: 3600, name: 'last hour' },
  { seconds: null, name: 'all' },
];
const REFRESH_SECONDS = { least: 2, most: 120 };
/** The server reads about so many frames in a hundredth of a second; it shall be asked for no more than that share of its time. */
const FRAMES_A_REFRESH_SECOND = 2000;

const NO_BUCKETS: readonly Bucket[] = [];

interface TimelineProps {
  readonly stream: StreamFragment;
  /** Of the newest frame that has come; null where none has. */
  readonly newestSeconds: number | null;
  readonly cursorSeconds: number | null;
  readonly onLook: (seconds: number | null) => void;
  readonly trackId: string | null;
  /** Whether the newest frame can be looked at: not over a video, which has a place of its own. */
  readonly canFollow: boolean;
}

/** The course of valence and arousal: all of it or a stretch, with the means of what is shown. */
export function Timeline({ stream, newestSeconds, cursorSeconds, onLook, trackId, canFollow }: TimelineProps) {
  const { id, status, source, media, progress } = stream;
  const isRunning = isOpen(status);
  const [windowSeconds, setWindowSeconds] = useState<number | null>(source === 'FILE' ? null : 60);
  const [zoom, setZoom] = useState<Range | null>(null);

  function shownRange(): Range {
    if (zoom !== null) return zoom;
    const from = media?.startSeconds ?? 0;
    // The last frame belongs to it.
    const to = Math.max(lastSecond(stream), newestSeconds ?? 0) + 0.001;
    return {
      fromSeconds: windowSeconds !== null && isRunning ? Math.max(from, to - windowSeconds) : from,
      toSeconds: to,
    };
  }

  const when = JSON.stringify([id, status, zoom, windowSeconds, trackId, progress.framesDone > 0]);
  const { answer, variables, failure } = useAsk(
    CourseDocument,
    () => {
      if (progress.framesDone === 0) return null;
      const range = shownRange();
      return { id, trackId, bucketSeconds: bucketSecondsFor(range), ...range };
    },
    { when, everySeconds: isRunning ? (last) => refreshSeconds(last?.stream?.summary.frames ?? 0) : null },
  );
  const range = variables ?? shownRange();
  const buckets = answer?.stream?.timeline ?? NO_BUCKETS;
  const summary = answer?.stream?.summary;
  return (
    <section aria-labelledby="timeline-title">
      <h2 id="timeline-title">Course</h2>
      <Problem failure={failure} />
      <div class="row">
        <span class="key" style={{ color: VALENCE }}>
          ━ valence
        </span>
        <span class="key" style={{ color: AROUSAL }}>
          ━ arousal
        </span>
        <span class="quiet">
          {variables !== null && `${meansText(variables.bucketSeconds, buckets)}, with a standard deviation`}
        </span>
        {isRunning && zoom === null && (
          <label class="inline">
            Shown{' '}
            <select
              value={String(windowSeconds)}
              onChange={({ currentTarget: { value } }) => setWindowSeconds(value === 'null' ? null : Number(value))}
            >
              {WINDOWS.map(({ seconds, name }) => (
                <option key={name} value={String(seconds)}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        {zoom !== null && (
          <button type="button" class="plain" onClick={() => setZoom(null)}>
            Show all of it
          </button>
        )}
      </div>
      <TimelineChart buckets={buckets} range={range} cursorSeconds={cursorSeconds} onLook={onLook} onZoom={setZoom} />
      <div class="row">
        <label class="slider">
          <span>Looked at: {cursorSeconds === null ? 'the newest frame' : timeText(cursorSeconds, 2)}</span>
          <input
            type="range"
            min={range.fromSeconds}
            max={range.toSeconds}
            step="any"
            value={cursorSeconds ?? range.toSeconds}
            aria-valuetext={cursorSeconds === null ? 'the newest frame' : timeText(cursorSeconds, 2)}
            onInput={({ currentTarget }) => onLook(currentTarget.valueAsNumber)}
          />
        </label>
        {isRunning && canFollow && cursorSeconds !== null && (
          <button type="button" class="plain" onClick={() => onLook(null)}>
            Back to live
          </button>
        )}
      </div>
      <p class="quiet">A click on the chart looks at that frame. A drag comes closer, a double click goes back.</p>
      {summary !== undefined && <Summary summary={summary} />}
    </section>
  );
}

function meansText(bucketSeconds: number, buckets: readonly Bucket[]): string {
  if (buckets.every(({ frames }) => frames === 1)) return 'means of each frame';
  return `means over ${bucketSeconds < 60 ? countText(bucketSeconds, 'second') : timeText(bucketSeconds)}`;
}

/** How soon a stretch with so many frames is asked for again. */
function refreshSeconds(frames: number): number {
  const { least, most } = REFRESH_SECONDS;
  return Math.min(most, Math.max(least, frames / FRAMES_A_REFRESH_SECOND));
}
