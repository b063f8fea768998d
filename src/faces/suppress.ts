import type { DetectedFace, Landmarks, Point } from '../domain.ts';
import { overlap } from './geometry.ts';

/**
 * Weighted non-maximum suppression: faces that overlap the best one by more than `maxOverlap` become one face, its box
 * and points their mean weighted by score, its score the best. Blending instead of picking keeps boxes from trembling
 * between frames (the BlazeFace paper's section 3.3). Best face first.
 */
export function suppress(candidates: readonly DetectedFace[], maxOverlap: number): DetectedFace[] {
  const left = [...candidates].sort((a, b) => b.score - a.score);
  const faces: DetectedFace[] = [];
  while (left.length > 0) {
    const best = left[0]!;
    const same: DetectedFace[] = [];
    for (let index = left.length - 1; index >= 0; index--) {
      const candidate = left[index]!;
      if (candidate !== best && overlap(candidate.box, best.box) <= maxOverlap) continue;
      same.push(candidate);
      left.splice(index, 1);
    }
    faces.push(same.length === 1 ? best : { ...blend(same), score: best.score });
  }
  return faces;
}

/**
 * Of faces that overlap by more than `maxOverlap` the best alone, as it is: what {@link suppress} blended may have moved
 * onto another face, and so may what was looked for again. Best face first.
 */
export function withoutTwins(faces: readonly DetectedFace[], maxOverlap: number): DetectedFace[] {
  const kept: DetectedFace[] = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score)) {
    if (kept.every((better) => overlap(face.box, better.box) <= maxOverlap)) kept.push(face);
  }
  return kept;
}

function blend(faces: readonly DetectedFace[]): Omit<DetectedFace, 'score'> {
  const total = faces.reduce((sum, { score }) => sum + score, 0);
  const mean = (pick: (face: DetectedFace) => number): number =>
    faces.reduce((sum, face) => sum + face.score * pick(face), 0) / total;
  const point = (name: keyof Landmarks): Point => ({
    x: mean(({ landmarks }) => landmarks[name]?.x ?? 0),
    y: mean(({ landmarks }) => landmarks[name]?.y ?? 0),
  });
  const ears = faces.every(({ landmarks }) => landmarks.rightEar !== null && landmarks.leftEar !== null);
  return {
    box: {
      x: mean(({ box }) => box.x),
      y: mean(({ box }) => box.y),
      width: mean(({ box }) => box.width),
      height: mean(({ box }) => box.height),
    },
    landmarks: {
      rightEye: point('rightEye'),
      leftEye: point('leftEye'),
      noseTip: point('noseTip'),
      mouthCentre: point('mouthCentre'),
      rightEar: ears ? point('rightEar') : null,
      leftEar: ears ? point('leftEar') : null,
    },
  };
}
