import type { ComponentChildren } from 'preact';
import type { FaceFragment } from '../generated/graphql.ts';
import { trackColour } from './colours.ts';

interface FaceBoxesProps {
  readonly faces: readonly FaceFragment[];
  /** Of the upright picture, in pixels. */
  readonly size: { readonly width: number; readonly height: number };
  /** The picture itself, where this browser has it: it fills the frame. */
  readonly children?: ComponentChildren;
}

/** A frame with a box around each face, over the picture or over nothing. */
export function FaceBoxes({ faces, size: { width, height }, children }: FaceBoxesProps) {
  // In parts of the picture's height, so that letters are as large in every picture.
  const ratio = width / height;
  return (
    <div class="picture" style={{ aspectRatio: `${width} / ${height}`, maxWidth: `calc(70vh * ${ratio})` }}>
      {children}
      <svg viewBox={`0 0 ${ratio} 1`} role="img" aria-label={`Boxes of ${faces.length} faces`}>
        {faces.map(({ track, box }) => {
          const colour = trackColour(track.number);
          const [x, y, boxWidth] = [box.x * ratio, box.y, box.width * ratio];
          return (
            <g key={track.id}>
              <rect x={x} y={y} width={boxWidth} height={box.height} fill="none" stroke={colour} stroke-width=".008" />
              <rect x={x} y={y} width=".06" height=".06" fill={colour} />
              <text x={x + 0.03} y={y + 0.045} fill="#fff" font-size=".045" text-anchor="middle">
                {track.number}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
