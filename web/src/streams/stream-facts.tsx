import type { StreamFragment } from '../generated/graphql.ts';
import { countText, isOpen, percentText, timeText } from '../parts/words.ts';
import { Status } from './status.tsx';

/** What a stream is, how it stands, and what made its numbers. */
export function StreamFacts({ stream }: { readonly stream: StreamFragment }) {
  const { status, progress, connection, warnings, error, labels, analysis } = stream;
  const { framesDone, facesFound, framesSkipped, share, etaSeconds } = progress;
  return (
    <>
      <p>
        <span role="status">
          <Status status={status} />
        </span>{' '}
        {countText(framesDone, 'frame')}, {countText(facesFound, 'face')}
        {framesSkipped > 0 && `, ${countText(framesSkipped, 'frame')} left out for newer ones`}
        {isOpen(status) && share !== null && (
          <>
            {' '}
            <progress value={share} max={1} /> {percentText(share)}
            {etaSeconds !== null && `, ${timeText(etaSeconds)} to go`}
          </>
        )}
      </p>
      {connection?.problem && (
        <p class="problem">
          {connection.problem.message} Try {connection.attempt}
          {connection.nextTryAt !== null && ` at ${new Date(connection.nextTryAt).toLocaleTimeString()}`}.
        </p>
      )}
      {error !== null && (
        <p class="problem">
          {error.code}: {error.message}
        </p>
      )}
      {warnings.map(({ code, message, count }) => (
        <p key={code} class="warning">
          {message} ({count === 1 ? 'once' : `${count} times`})
        </p>
      ))}
      <p class="quiet">{[...sourceFacts(stream), ...labels.map((label) => `#${label}`)].join(' · ')}</p>
      {analysis !== null && (
        <p class="quiet">
          Numbers by {analysis.modelName} {analysis.modelVersion} ({analysis.engine}, {analysis.provider}), faces by{' '}
          {analysis.detectorName}.
        </p>
      )}
    </>
  );
}

function sourceFacts({ source, address, media, framesPerSecond, delivery, createdAt, retentionDays }: StreamFragment) {
  return [
    source === 'FILE' ? 'video file' : source === 'LIVE' ? (address ?? 'live') : 'pictures that a client sends',
    ...(media === null ? [] : [`${media.width} × ${media.height}, ${media.videoCodec}`]),
    ...(media?.durationSeconds == null ? [] : [timeText(media.durationSeconds, 1)]),
    framesPerSecond === null ? 'every frame' : `at most ${framesPerSecond} frames a second`,
    ...(delivery === 'LATEST' ? ['always the newest frame'] : []),
    ...(retentionDays === null ? [] : [`erased ${countText(retentionDays, 'day')} after its end`]),
    `made ${new Date(createdAt).toLocaleString()}`,
  ];
}
