/** What made a file of rows, kept as JSON beside it: enough to tell whether the same would come out again. */
import { readFile, stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Config } from '../config.ts';
import type { Fault, Sampling, StreamWarning } from '../domain.ts';
import type { FileAnalysisOptions } from '../pipeline/index.ts';
import type { OutputFormat } from '../rows/index.ts';
import { openWholeFile } from './whole-file.ts';

/** The program and its networks, the same for all files of a run. */
export interface Maker {
  readonly program: { readonly name: 'circumplex'; readonly version: string };
  readonly model: { readonly name: string; readonly version: string; readonly sha256: string };
  readonly detector: { readonly name: string };
  readonly engine: { readonly name: string; readonly provider: string };
}

export type InputKind = 'picture' | 'video';

/** The settings that shape the numbers of a kind; all others bound work or go elsewhere. */
export type ShapingSettings = Readonly<Record<string, number | Sampling>>;

export interface InputIdentity {
  readonly sizeBytes: number;
  /** When the file was last changed, to the millisecond, ISO 8601. */
  readonly modifiedAt: string;
}

/** What became of one input. What is not known of one that failed is `null`. */
export interface InputReport {
  /** As the rows name it. */
  readonly file: string;
  readonly sizeBytes: number | null;
  readonly modifiedAt: string | null;
  readonly kind: InputKind | null;
  readonly settings: ShapingSettings | null;
  /** `null` for a picture, which ffmpeg does not read. */
  readonly ffmpegVersion: string | null;
  /** Frames and faces that were written. */
  readonly frames: number;
  readonly faces: number;
  readonly warnings: readonly StreamWarning[];
  /** What ended it early. */
  readonly error: Fault | null;
}

export interface Provenance extends Maker {
  readonly format: OutputFormat;
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly inputs: readonly InputReport[];
}

export function makerOf({ config, vision }: Pick<FileAnalysisOptions, 'config' | 'vision'>, version: string): Maker {
  const { modelName, modelVersion, modelSha256, detectorName, provider } = vision.facts;
  return {
    program: { name: 'circumplex', version },
    model: { name: modelName, version: modelVersion, sha256: modelSha256 },
    detector: { name: detectorName },
    engine: { name: config.engine, provider },
  };
}

export function shapingSettings(kind: InputKind, config: Config, sampling: Sampling): ShapingSettings {
  const { minFaceness, maxImageSidePixels, maxFrameSidePixels, smoothingSeconds, trackMissSeconds } = config;
  switch (kind) {
    case 'picture':
      return { maxImageSidePixels, minFaceness };
    case 'video':
      return { sampling, maxFrameSidePixels, smoothingSeconds, trackMissSeconds, minFaceness };
  }
}

/** `null` for what is not there. */
export async function identityOf(path: string): Promise<InputIdentity | null> {
  const stats = await stat(path).catch(() => null);
  return stats === null ? null : { sizeBytes: stats.size, modifiedAt: stats.mtime.toISOString() };
}

export function sidecarOf(output: string): string {
  return `${output}.json`;
}

/** Errors: BAD_INPUT when the file cannot be made, INTERNAL when it cannot be written. */
export async function writeSidecar(output: string, provenance: Provenance): Promise<void> {
  await using file = await openWholeFile(sidecarOf(output));
  await file.write(`${JSON.stringify(provenance, null, 2)}\n`);
  await file.finish();
}

/** What is asked of a sidecar; it may be anybody's file, or half of one. */
const finishedSchema = z.object({
  model: z.object({ sha256: z.string() }),
  detector: z.object({ name: z.string() }),
  inputs: z.tuple([
    z.object({
      sizeBytes: z.number(),
      modifiedAt: z.string(),
      kind: z.enum(['picture', 'video']),
      settings: z.record(z.string(), z.unknown()),
      error: z.null(),
    }),
  ]),
});

export interface Wanted {
  readonly maker: Maker;
  readonly config: Config;
  readonly sampling: Sampling;
}

/**
 * Whether the output and its sidecar are there, and of the input as it is now, by the same networks and settings. The
 * program's version, the provider and ffmpeg's may differ.
 */
export async function isFinished(
  { path, output }: { readonly path: string; readonly output: string },
  { maker, config, sampling }: Wanted,
): Promise<boolean> {
  const rows = await stat(output).catch(() => null);
  const parsed = finishedSchema.safeParse(await readJson(sidecarOf(output)));
  if (rows?.isFile() !== true || !parsed.success) return false;
  const { model, detector, inputs } = parsed.data;
  const [{ sizeBytes, modifiedAt, kind, settings }] = inputs;
  return (
    model.sha256 === maker.model.sha256 &&
    detector.name === maker.detector.name &&
    isDeepStrictEqual({ sizeBytes, modifiedAt }, await identityOf(path)) &&
    isDeepStrictEqual(settings, shapingSettings(kind, config, sampling))
  );
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return null;
  }
}
