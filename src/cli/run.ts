/** What the writing of rows needs once the networks run. */
import type { FileAnalysisOptions } from '../pipeline/index.ts';
import type { OutputFormat } from '../rows/index.ts';
import type { ErrorTerminal } from './progress-bar.ts';
import type { Maker } from './provenance.ts';

export interface Run {
  readonly format: OutputFormat;
  readonly options: FileAnalysisOptions;
  readonly maker: Maker;
  /** Of what reads the videos; `null` where it does not say. */
  readonly ffmpegVersion: string | null;
  readonly stderr: ErrorTerminal;
  /** What has been told as failed before: folders that cannot be read or hold nothing. */
  readonly failures: number;
}
