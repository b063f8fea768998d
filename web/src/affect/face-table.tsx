import type { FaceFragment } from '../generated/graphql.ts';
import { affectText, percentText, wordOf } from '../parts/words.ts';
import { trackColour } from './colours.ts';

interface FaceTableProps {
  readonly faces: readonly FaceFragment[];
  /** Pictures have nothing before them that could be smoothed. Default true. */
  readonly smoothed?: boolean;
}

/** The numbers of a frame's faces. */
export function FaceTable({ faces, smoothed = true }: FaceTableProps) {
  return (
    <table class="faces">
      <thead>
        <tr>
          <th scope="col">Face</th>
          <th scope="col">Valence</th>
          <th scope="col">Arousal</th>
          <th scope="col">Error</th>
          <th scope="col">Seems</th>
        </tr>
      </thead>
      <tbody>
        {faces.map((face) => {
          const { valence, arousal, quadrant } = smoothed ? face.smoothed : face.affect;
          return (
            <tr key={face.track.id}>
              <td>
                <span class="dot" style={{ background: trackColour(face.track.number) }} />
                {face.track.number}
              </td>
              <td>{affectText(valence)}</td>
              <td>{affectText(arousal)}</td>
              <td>±{face.uncertainty.toFixed(2)}</td>
              <td>
                {wordOf(quadrant)}, {likeliest(face)}
              </td>
            </tr>
          );
        })}
        {faces.length === 0 && (
          <tr>
            <td colspan={5} class="quiet">
              no face
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

function likeliest({ expressions }: FaceFragment): string {
  const { expression, probability } = expressions.reduce((best, one) =>
    one.probability > best.probability ? one : best,
  );
  return `${wordOf(expression)} ${percentText(probability)}`;
}
