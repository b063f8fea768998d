import type { FaceFragment, FrameFragment } from '../generated/graphql.ts';
import { trackColour } from './colours.ts';

interface CircumplexProps {
  readonly faces: readonly FaceFragment[];
  /** Frames before this one, oldest first: where the faces came from. */
  readonly past?: readonly FrameFragment[];
  /** Pictures have nothing before them that could be smoothed. Default true. */
  readonly smoothed?: boolean;
}

/** Valence from left to right, arousal from bottom to top: a dot for each face, with its way. */
export function Circumplex({ faces, past = [], smoothed = true }: CircumplexProps) {
  return (
    <figure class="circumplex">
      <svg
        viewBox="-1.35 -1.3 2.7 2.55"
        role="img"
        aria-label="Valence from left to right, arousal from bottom to top, each from -1 to 1; the table has the numbers"
      >
        <circle class="rim" r="1" />
        <line class="axis" x1="-1" x2="1" y1="0" y2="0" />
        <line class="axis" x1="0" x2="0" y1="-1" y2="1" />
        <text class="quadrant" x=".42" y="-.55">
          excited
        </text>
        <text class="quadrant" x="-.42" y="-.55">
          distressed
        </text>
        <text class="quadrant" x="-.42" y=".6">
          depressed
        </text>
        <text class="quadrant" x=".42" y=".6">
          calm
        </text>
        <text y="-1.2">arousal</text>
        <text y="-1.06">activated</text>
        <text y="1.14">deactivated</text>
        <text transform="translate(1.06 0) rotate(90)">pleasant</text>
        <text transform="translate(1.2 0) rotate(90)">valence</text>
        <text transform="translate(-1.06 0) rotate(-90)">unpleasant</text>
        {faces.map((face) => (
          <Mark key={face.track.id} face={face} past={past} />
        ))}
      </svg>
      <figcaption class="quiet">
        {smoothed
          ? 'Strong: smoothed, with its way of the last seconds. Faint: this frame alone, as wide as the expected error.'
          : 'The faint disc is as wide as the expected error.'}
      </figcaption>
    </figure>
  );
}

function Mark({ face, past }: { readonly face: FaceFragment; readonly past: readonly FrameFragment[] }) {
  const { track, affect, smoothed, uncertainty } = face;
  const colour = trackColour(track.number);
  const way = past.flatMap((frame) => frame.faces.filter((one) => one.track.id === track.id));
  const points = [...way, face].map(({ smoothed: { valence, arousal } }) => `${valence},${-arousal}`).join(' ');
  return (
    <g>
      <circle cx={affect.valence} cy={-affect.arousal} r={uncertainty} fill={colour} opacity={0.18} />
      <polyline points={points} fill="none" stroke={colour} stroke-width=".015" opacity={0.5} />
      <circle cx={smoothed.valence} cy={-smoothed.arousal} r=".055" fill={colour} stroke="#fff" stroke-width=".012" />
      <text class="number" x={smoothed.valence} y={-smoothed.arousal + 0.024}>
        {track.number}
      </text>
    </g>
  );
}
