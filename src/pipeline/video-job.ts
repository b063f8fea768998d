/** One video from its first (or next) frame to its last. */
import type { Config } from '../config.ts';
import type { StreamRecord, StreamWarning } from '../domain.ts';
import { AppError } from '../errors.ts';
import { LiveProgress } from './progress.ts';
import { readPast } from './resume.ts';
import { type ScoringParts, scoreStream } from './score-stream.ts';
import { openVideoFrames, type VideoConfig } from './video-frames.ts';
import { addWarnings } from './warnings.ts';

export interface VideoJobParts extends ScoringParts {
  readonly config: VideoConfig &
    Pick<Config, 'framesInFlight' | 'minFaceness' | 'smoothingSeconds' | 'trackMissSeconds'>;
}

export interface VideoJobRun {
  readonly stream: StreamRecord;
  /** The uploaded file. */
  readonly path: string;
  /** Ends the reading; what is in flight is still scored, stored and published. */
  readonly stop: AbortSignal;
  /** Ends the scoring too: for a stop that must not wait any longer. */
  readonly abort: AbortSignal;
  /** Given as soon as the job knows where it begins. */
  readonly began: (progress: LiveProgress) => void;
  /** Given once, however the run ends: all warnings of the stream, old and new. */
  readonly warned: (warnings: readonly StreamWarning[]) => void;
}

/**
 * Resolves once every frame that was scored is stored and published. Goes on after the last stored frame if there is
 * one. Errors: those of the medium, WORKER_FAILED never, ENGINE_UNAVAILABLE, OVERLOADED, STORE_FAILED, ABORTED.
 */
export async function runVideoJob(parts: VideoJobParts, run: VideoJobRun): Promise<void> {
  const { config, store } = parts;
  const { stream, stop } = run;
  const { media } = stream;
  if (media === null) throw new AppError('INTERNAL', 'The stream was stored without the facts of its file.');

  const past = await readPast(store, stream, config.trackMissSeconds);
  const progress = new LiveProgress(media, past);
  run.began(progress);

  let videoWarnings: readonly StreamWarning[] = [];
  await scoreStream(parts, {
    stream,
    past,
    progress,
    frames(broken) {
      const video = openVideoFrames(run.path, {
        media,
        sampling: stream.sampling,
        config,
        ...(past.resumeAfter === null ? {} : { resumeAfter: past.resumeAfter }),
        signal: AbortSignal.any([stop, broken]),
      });
      videoWarnings = video.warnings;
      return video.frames;
    },
    smoothingSeconds: config.smoothingSeconds,
    trackMissSeconds: config.trackMissSeconds,
    framesInFlight: config.framesInFlight,
    abort: run.abort,
    warned: (warnings) => run.warned(addWarnings(warnings, videoWarnings)),
  });
  if (progress.framesDone === 0 && !stop.aborted) {
    throw new AppError('MEDIA_DAMAGED', 'Not one frame of the video could be decoded; encode it anew and try again.');
  }
}
