import type { DetectedFace, RgbImage } from '../domain.ts';
import { overlap } from './geometry.ts';
import type { Region } from './letterbox.ts';
import type { DetectorNetwork } from './network.ts';
import { suppress, withoutTwins } from './suppress.ts';

/** Side of what is looked at again, in sides of the box. */
const SURROUNDINGS = 3.5;
/** The second look must find the face in the same place. */
const SAME_PLACE_OVERLAP = 0.3;
/** Bounds the cost of a picture full of patterns or of people: so many looks for doubtful boxes, as many for small ones. */
const MAX_LOOKS = 8;

/**
 * Looks again, enlarged, at boxes that are doubtful (below `sureScore`) or small in the network's input, and takes box and
 * points from there. Best face first. Of more than 8 doubtful boxes the least likely are dropped; of more than 8 small ones
 * the last keep what the first look said. Two that turn out to be one face are one.
 *
 * The score becomes the mean of both looks, 0 for not found again, because BlazeFace alone gives true and wrong boxes
 * like scores. A face that fills the picture cannot be enlarged and stays as it is.
 */
export async function secondLook(
  network: DetectorNetwork,
  image: RgbImage,
  faces: readonly DetectedFace[],
): Promise<DetectedFace[]> {
  const longer = Math.max(image.width, image.height);
  const isSure = ({ score }: DetectedFace): boolean => score >= network.sureScore;
  const isSmall = ({ box }: DetectedFace): boolean =>
    Math.max(box.width * image.width, box.height * image.height) * network.inputSidePixels <
    network.preciseFromPixels * longer;
  const doubtful = faces.filter((face) => !isSure(face)).slice(0, MAX_LOOKS);
  const small = faces.filter((face) => isSure(face) && isSmall(face)).slice(0, MAX_LOOKS);

  const settled = faces.filter((face) => isSure(face) && !small.includes(face));
  for (const face of [...doubtful, ...small]) {
    const again = await lookAgain(network, image, face);
    if (again.score >= network.keepTrackScore) settled.push(again);
  }
  return withoutTwins(settled, network.maxOverlap);
}

async function lookAgain(network: DetectorNetwork, image: RgbImage, face: DetectedFace): Promise<DetectedFace> {
  const region = surroundings(face, image);
  if (Math.max(region.width, region.height) >= Math.max(image.width, image.height)) return face;
  const there = suppress(await network.look(image, region), network.maxOverlap);
  const same = there.find(({ box }) => overlap(box, face.box) > SAME_PLACE_OVERLAP);
  return same === undefined ? { ...face, score: face.score / 2 } : { ...same, score: (face.score + same.score) / 2 };
}

function surroundings({ box }: DetectedFace, image: RgbImage): Region {
  const side = Math.max(box.width * image.width, box.height * image.height) * SURROUNDINGS;
  const along = (centre: number, length: number): { start: number; size: number } => {
    const start = Math.min(Math.max(0, Math.round(centre - side / 2)), length - 1);
    const end = Math.min(length, Math.round(centre + side / 2));
    return { start, size: Math.max(1, end - start) };
  };
  const x = along((box.x + box.width / 2) * image.width, image.width);
  const y = along((box.y + box.height / 2) * image.height, image.height);
  return { left: x.start, top: y.start, width: x.size, height: y.size };
}
