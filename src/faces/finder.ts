import type { DetectedFace, FoundFace, RgbImage } from '../domain.ts';
import { alignFace, type CropTemplate } from './align.ts';
import { openBlazeFace } from './blazeface.ts';
import { clipToPicture, isPartOf } from './geometry.ts';
import type { DetectorNetwork } from './network.ts';
import { isPlausible } from './plausible.ts';
import { secondLook } from './second-look.ts';
import { suppress } from './suppress.ts';
import { tilesOf } from './tiles.ts';
import { openYuNet } from './yunet.ts';

/** Finds and aligns the faces of a picture. Not for two calls at once: it owns one network and its input. */
export interface FaceFinder extends AsyncDisposable {
  /** Name of the detector. */
  readonly name: string;
  /** A face at this score or above may start a track. */
  readonly newTrackScore: number;
  /** The least score that a face is returned with; doubtful ones only go on with a track. */
  readonly keepTrackScore: number;
  /** Best face first. Boxes are clipped to the picture; landmarks may lie outside it. */
  find(image: RgbImage): Promise<FoundFace[]>;
}

export interface FaceFinderOptions {
  /** Folder of a BlazeFace with its card.json, or the path of a YuNet .onnx file. */
  readonly detector: string;
  readonly template: CropTemplate;
  /** Pictures with a longer side above this get a second look in tiles. Pixels; default 1280, so that videos scaled to
   * the default frame size never pay for it. `Infinity` turns it off. */
  readonly tilesFromSidePixels?: number;
}

/** Tiles are this much larger than the network's input: smaller ones would find little more and cost much. */
const TILE_ENLARGEMENT = 2;
const SESSION_OPTIONS = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
} as const;

/** Errors: ENGINE_UNAVAILABLE when the detector is missing, damaged or of an unknown kind. */
export async function createFaceFinder(options: FaceFinderOptions): Promise<FaceFinder> {
  const { detector, template, tilesFromSidePixels = 1280 } = options;
  const network = await (detector.endsWith('.onnx') ? openYuNet : openBlazeFace)(detector, SESSION_OPTIONS);
  return {
    name: network.name,
    newTrackScore: network.newTrackScore,
    keepTrackScore: network.keepTrackScore,
    async find(image) {
      const faces = await detect(network, image, tilesFromSidePixels);
      return faces.map((face) => ({
        face: { ...face, box: clipToPicture(face.box) },
        crop: alignFace(image, face.landmarks, template),
      }));
    },
    async [Symbol.asyncDispose]() {
      await network[Symbol.asyncDispose]();
    },
  };
}

async function detect(network: DetectorNetwork, image: RgbImage, tilesFromSidePixels: number): Promise<DetectedFace[]> {
  const whole = { left: 0, top: 0, width: image.width, height: image.height };
  const candidates = await network.look(image, whole);
  const isGood = ({ score }: DetectedFace): boolean => score >= network.newTrackScore;
  const seenWhole = candidates.filter(isGood);
  const tiles = tilesOf(image, {
    tileSidePixels: network.inputSidePixels * TILE_ENLARGEMENT,
    fromSidePixels: tilesFromSidePixels,
  });
  for (const tile of tiles) {
    const inTile = await network.look(image, tile);
    // A tile shows less of a face's surroundings: doubtful boxes in it are dropped, and so are parts of a larger face.
    candidates.push(
      ...inTile.filter((face) => isGood(face) && !seenWhole.some((larger) => isPartOf(face.box, larger.box))),
    );
  }
  const faces = suppress(candidates, network.maxOverlap).filter((face) => isPlausible(face, image));
  const settled = await secondLook(network, image, faces);
  return settled.filter((face) => isPlausible(face, image));
}
