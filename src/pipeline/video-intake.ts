/** The way of a video into the queue: checked, claimed, probed, stored, queued. */
import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import type { MediaFacts, StreamRecord } from '../domain.ts';
import { AppError, toAppError } from '../errors.ts';
import { createLimiter } from '../flow/index.ts';
import { probeMedia, type Uploads } from '../ingest/index.ts';
import type { Hub } from '../publish/index.ts';
import type { Store } from '../store/index.ts';
import { checkSampling, checkWords } from './stream-words.ts';
import type { VideoInput } from './types.ts';
import { mediaLimits } from './video-frames.ts';
import type { VideoJobs } from './video-jobs.ts';

interface VideoIntakeParts {
  readonly config: Pick<Config, 'maxQueuedJobs' | 'maxImagePixels' | 'mediaMemoryBytes' | 'mediaCpuSeconds'>;
  readonly store: Store;
  readonly hub: Hub;
  readonly uploads: Uploads;
  readonly jobs: VideoJobs;
}

/** ffprobe processes at once; each lives for some 50 ms. */
const PROBES_AT_ONCE = 4;

export class VideoIntake {
  readonly #parts: VideoIntakeParts;
  /** Uploads of jobs that have not ended, and of those on their way in. */
  readonly #claims = new Set<string>();
  readonly #probes;

  constructor(parts: VideoIntakeParts) {
    this.#parts = parts;
    this.#probes = createLimiter({
      concurrency: PROBES_AT_ONCE,
      maxWaiting: parts.config.maxQueuedJobs,
      refuse: () => new AppError('OVERLOADED', 'Too many videos arrive at once; try again in a moment.'),
    });
  }

  isClaimed(uploadId: string): boolean {
    return this.#claims.has(uploadId);
  }

  /** Errors and effects: those of `Pipeline.analyzeVideo`. */
  async take(input: VideoInput): Promise<StreamRecord> {
    const { name, labels, retentionDays } = checkWords(input);
    checkSampling(input.sampling);
    const { uploadId } = input;
    const { store, hub, uploads, jobs } = this.#parts;
    const path = await uploads.pathOf(uploadId);
    // From here to the claim nothing waits, so that of two requests at once only one gets through.
    if (this.#claims.has(uploadId)) {
      throw new AppError('BAD_INPUT', 'Another stream works on this upload; upload the file again for a second one.');
    }
    const place = jobs.reserve();
    this.#claims.add(uploadId);
    try {
      const media = await this.#probe(path, input);
      const id = randomUUID();
      const stored = store.createStream({
        id,
        revision: 0,
        ownerKeyId: input.ownerKeyId ?? null,
        kind: 'FILE',
        name,
        labels,
        status: 'QUEUED',
        sampling: input.sampling,
        media,
        uploadId,
        live: null,
        retentionDays,
        error: null,
        warnings: [],
        analysis: null,
        createdAt: new Date(),
        startedAt: null,
        endedAt: null,
      });
      this.#queue(
        id,
        uploadId,
        stored.then((stream) => {
          hub.publishStatus(stream);
          return stream;
        }),
        place,
      );
      return await stored;
    } catch (thrown) {
      this.#claims.delete(uploadId);
      place[Symbol.dispose]();
      throw toAppError(thrown);
    }
  }

  /** Queues a stream that an earlier run of the process left unfinished. */
  resume(stream: StreamRecord): void {
    if (stream.uploadId !== null) this.#claims.add(stream.uploadId);
    this.#queue(stream.id, stream.uploadId, Promise.resolve(stream));
  }

  #queue(id: string, uploadId: string | null, stored: Promise<StreamRecord>, place?: Disposable): void {
    void this.#parts.jobs.add(id, stored, place).then(() => {
      if (uploadId !== null) this.#claims.delete(uploadId);
    });
  }

  async #probe(path: string, { uploadId, signal }: VideoInput): Promise<MediaFacts> {
    const { config, uploads } = this.#parts;
    try {
      const options = { limits: mediaLimits(config), ...(signal === undefined ? {} : { signal }) };
      const media = await this.#probes.run(() => probeMedia(path, options), signal);
      if (media.width * media.height > config.maxImagePixels) {
        throw new AppError(
          'PICTURE_TOO_LARGE',
          `The video has ${media.width}x${media.height} pixels; at most ${config.maxImagePixels} are taken (MAX_IMAGE_PIXELS). Encode it smaller.`,
        );
      }
      return media;
    } catch (thrown) {
      // What is no usable video now will not become one: keeping its bytes would only fill the disk.
      if (!toAppError(thrown).retryable) await uploads.remove(uploadId);
      throw thrown;
    }
  }
}
