import type { DetectedFace, RgbImage } from '../domain.ts';
import { clipToPicture } from './geometry.ts';

/** Below this share of its box's side the eyes are on top of each other: a pattern, or a face seen from the side. */
const MIN_EYE_DISTANCE = 0.1;
/** Smaller faces hold nothing to read. Pixels of the longer side of the box. */
const MIN_FACE_PIXELS = 12;
/** Of a face at the edge this much has to be in the picture, as a share of its box. */
const MIN_VISIBLE = 0.25;

/** Whether box and points can be a face's: large enough, in the picture, eyes apart, mouth on the far side of the eyes from the brow. */
export function isPlausible({ box, landmarks }: DetectedFace, image: Pick<RgbImage, 'width' | 'height'>): boolean {
  const width = box.width * image.width;
  const height = box.height * image.height;
  if (Math.max(width, height) < MIN_FACE_PIXELS) return false;
  const visible = clipToPicture(box);
  if (visible.width * visible.height < MIN_VISIBLE * box.width * box.height) return false;
  const eyeX = (landmarks.leftEye.x - landmarks.rightEye.x) * image.width;
  const eyeY = (landmarks.leftEye.y - landmarks.rightEye.y) * image.height;
  const eyeDistance = Math.hypot(eyeX, eyeY);
  if (eyeDistance < MIN_EYE_DISTANCE * Math.max(width, height)) return false;
  const downX = (landmarks.mouthCentre.x - (landmarks.leftEye.x + landmarks.rightEye.x) / 2) * image.width;
  const downY = (landmarks.mouthCentre.y - (landmarks.leftEye.y + landmarks.rightEye.y) / 2) * image.height;
  // The mouth lies a quarter turn from the line of the eyes, whichever way the head is tilted.
  return eyeX * downY - eyeY * downX > 0;
}
