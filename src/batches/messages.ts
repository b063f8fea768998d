/** What the main thread and a worker thread say to each other. */
import type { CropReading, FoundFace } from '../domain.ts';
import type { ErrorCode } from '../errors.ts';

/** What a worker is made for; given to its thread at the start. */
export interface WorkerSetup {
  /** Folder with card.json and model.onnx, or the path of a YuNet .onnx file. */
  readonly detector: string;
  /** Folder with card.json and the model's file. */
  readonly model: string;
  /** Name of the library that runs the affect model. */
  readonly engine: string;
  /** `auto`, or the name of a provider that must work. */
  readonly provider: string;
  /** Most crops in one read job. */
  readonly maxBatch: number;
  /** The kinds of job that it will get; a worker that never reads does not load the model. */
  readonly serves: readonly JobKind[];
}

export type JobKind = 'find' | 'read';

/** What a started worker knows of its networks. */
export interface WorkerFacts {
  /** Provider of the affect model; `cpu` where the worker does not read. */
  readonly provider: string;
  /** Why the providers that `auto` would have preferred cannot be used, a sentence each. */
  readonly refusals: readonly string[];
  /** Whether the affect model runs on a graphics card, which one worker alone should use. */
  readonly usesGraphicsCard: boolean;
  readonly modelName: string;
  readonly modelVersion: string;
  /** Of the model's file, hexadecimal. */
  readonly modelSha256: string;
  /** Side of the crops in pixels. */
  readonly cropSizePixels: number;
  readonly detectorName: string;
  readonly newTrackScore: number;
  readonly keepTrackScore: number;
}

/**
 * `memory` comes before the first job and whenever a larger one is needed; a job's bytes lie at its start: one RGB
 * picture, or crops one after the other. They stay untouched until the job's answer.
 */
export type ToWorker =
  | { readonly kind: 'memory'; readonly memory: SharedArrayBuffer }
  | { readonly kind: 'find'; readonly jobId: number; readonly width: number; readonly height: number }
  | { readonly kind: 'read'; readonly jobId: number; readonly count: number }
  | { readonly kind: 'close' };

export type FromWorker =
  | { readonly kind: 'ready'; readonly facts: WorkerFacts }
  | { readonly kind: 'startFailed'; readonly error: PortableError }
  | { readonly kind: 'found'; readonly jobId: number; readonly faces: readonly FoundFace[] }
  | { readonly kind: 'read'; readonly jobId: number; readonly readings: readonly CropReading[] }
  | { readonly kind: 'failed'; readonly jobId: number; readonly error: PortableError };

/** An AppError on its way between threads, where a class would not survive; `cause` is text for the log. */
export interface PortableError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause: string | null;
}
