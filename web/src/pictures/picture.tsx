import { Circumplex } from '../affect/circumplex.tsx';
import { FaceBoxes } from '../affect/face-boxes.tsx';
import { FaceTable } from '../affect/face-table.tsx';
import type { PictureFragment } from '../generated/graphql.ts';

interface PictureProps {
  readonly picture: PictureFragment;
  /** Of the picture itself, where this browser has it. */
  readonly address?: string;
}

/** The faces of one picture. */
export function Picture({ picture: { name, width, height, faces }, address }: PictureProps) {
  return (
    <div class="halves">
      <div>
        <FaceBoxes faces={faces} size={{ width, height }}>
          {address === undefined ? (
            <p class="cover">Pictures are never kept: these are the boxes.</p>
          ) : (
            <img src={address} alt={name ?? ''} />
          )}
        </FaceBoxes>
        <FaceTable faces={faces} smoothed={false} />
      </div>
      <Circumplex faces={faces} smoothed={false} />
    </div>
  );
}
