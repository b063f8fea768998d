import type { Box, Landmarks, Point } from '../domain.ts';

/** Intersection over union of two boxes, [0, 1]; 0 when either is empty. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
}

/** Whether a box is less than half as large as another and lies in it for the most part. */
export function isPartOf(box: Box, larger: Box): boolean {
  const area = box.width * box.height;
  const width = Math.min(box.x + box.width, larger.x + larger.width) - Math.max(box.x, larger.x);
  const height = Math.min(box.y + box.height, larger.y + larger.height) - Math.max(box.y, larger.y);
  return area < 0.5 * larger.width * larger.height && width > 0 && height > 0 && width * height > 0.5 * area;
}

/** The part of a box that lies inside the picture; a box outside it becomes empty at the edge. */
export function clipToPicture(box: Box): Box {
  const left = clamp(box.x);
  const top = clamp(box.y);
  return { x: left, y: top, width: clamp(box.x + box.width) - left, height: clamp(box.y + box.height) - top };
}

/** Landmarks with every point that there is moved by `move`. */
export function mapLandmarks(landmarks: Landmarks, move: (point: Point) => Point): Landmarks {
  const { rightEye, leftEye, noseTip, mouthCentre, rightEar, leftEar } = landmarks;
  return {
    rightEye: move(rightEye),
    leftEye: move(leftEye),
    noseTip: move(noseTip),
    mouthCentre: move(mouthCentre),
    rightEar: rightEar === null ? null : move(rightEar),
    leftEar: leftEar === null ? null : move(leftEar),
  };
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
