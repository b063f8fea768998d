import { Bar, Expressions } from '../affect/expressions.tsx';
import type { CourseQuery } from '../generated/graphql.ts';
import { affectText, countText, percentText, wordOf } from '../parts/words.ts';

type AffectSummary = NonNullable<CourseQuery['stream']>['summary'];

/** Means of a stretch of a stream. */
export function Summary({ summary }: { readonly summary: AffectSummary }) {
  const { frames, framesWithFaces, faces, tracks, valence, arousal, quadrants, expressions } = summary;
  const share = frames === 0 ? 0 : framesWithFaces / frames;
  return (
    <>
      <p>
        {countText(frames, 'frame')}, {percentText(share)} of them with a face; {countText(faces, 'face')} of{' '}
        {countText(tracks, 'track')}.
      </p>
      {valence !== null && arousal !== null && (
        <div class="columns">
          <table>
            <thead>
              <tr>
                <th scope="col" />
                <th scope="col">Mean</th>
                <th scope="col">Deviation</th>
                <th scope="col">Least</th>
                <th scope="col">Most</th>
              </tr>
            </thead>
            <tbody>
              <SpreadRow name="Valence" spread={valence} />
              <SpreadRow name="Arousal" spread={arousal} />
            </tbody>
          </table>
          <ul class="bars" aria-label="Shares of the circumplex">
            {quadrants.map(({ quadrant, share: part }) => (
              <Bar key={quadrant} name={wordOf(quadrant)} share={part} />
            ))}
          </ul>
          <Expressions expressions={expressions} />
        </div>
      )}
    </>
  );
}

interface SpreadRowProps {
  readonly name: string;
  readonly spread: NonNullable<AffectSummary['valence']>;
}

function SpreadRow({ name, spread: { mean, deviation, min, max } }: SpreadRowProps) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{affectText(mean)}</td>
      <td>{deviation.toFixed(2)}</td>
      <td>{affectText(min)}</td>
      <td>{affectText(max)}</td>
    </tr>
  );
}
