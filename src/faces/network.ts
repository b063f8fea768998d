import type { DetectedFace, RgbImage } from '../domain.ts';
import type { Region } from './letterbox.ts';

/** A detection network: looks at one region of a picture, whole or a tile of it. */
export interface DetectorNetwork extends AsyncDisposable {
  readonly name: string;
  /** A face at this score or above may start a track. */
  readonly newTrackScore: number;
  /** The least score that a face is returned with. */
  readonly keepTrackScore: number;
  /** A box below this score gets a second look at its surroundings; 0 where the network needs none. */
  readonly sureScore: number;
  /**
   * A face whose longer side is shorter than this in the network's input gets a second look, because its points are
   * imprecise; 0 where the network needs none. Pixels of the input.
   */
  readonly preciseFromPixels: number;
  /** Boxes that overlap by more than this are one face. */
  readonly maxOverlap: number;
  /** Longer side, in pixels, of the picture that the network looks at. */
  readonly inputSidePixels: number;
  /** Candidates in coordinates of the whole picture, not yet suppressed. */
  look(image: RgbImage, region: Region): Promise<DetectedFace[]>;
}
