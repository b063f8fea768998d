/** What stands behind the schema's objects where the domain's own types lack a word that a resolver needs. */
import type { FaceEstimate, FrameEstimate } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { EngineFacts, PipelineStatistics } from '../pipeline/index.ts';
import type { TrackSummary } from '../store/index.ts';

export interface FrameModel extends FrameEstimate {
  readonly droppedBefore: number;
}

export interface FaceModel extends FaceEstimate {
  /** Id of the stream or the picture that the face is in. */
  readonly ownerId: string;
}

export interface TrackModel extends TrackSummary {
  readonly streamId: string;
}

export interface EngineModel extends EngineFacts, PipelineStatistics {}

/** A track's number is its own within its stream alone; its id holds both. */
export function trackId(ownerId: string, trackNumber: number): string {
  return `${ownerId}.${trackNumber}`;
}

/** The number in the id of a track of this stream. Errors: NOT_FOUND. */
export function trackNumberOf(streamId: string, id: string): number {
  const [, owner, number] = /^(.*)\.([1-9]\d{0,8})$/.exec(id) ?? [];
  if (owner !== streamId) {
    throw new AppError(
      'NOT_FOUND',
      `The stream has no track ${JSON.stringify(id)}; take the id from its tracks or faces.`,
    );
  }
  return Number(number);
}
