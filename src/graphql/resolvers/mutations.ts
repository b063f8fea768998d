import type { Sampling } from '../../domain.ts';
import { AppError, ERROR_KINDS, toAppError } from '../../errors.ts';
import type { MutationResolvers, OpenPushInput } from '../../generated/graphql.ts';
import type { Context } from '../context.ts';

/** Pictures in one request; more go into a further one. */
const MAX_FILES = 16;
const MAX_NAME_LENGTH = 200;

export const Mutation: MutationResolvers = {
  async analyzeImage(_, { input }, context) {
    if (input.files.length < 1 || input.files.length > MAX_FILES) {
      throw new AppError('BAD_INPUT', `files must hold 1 to ${MAX_FILES} pictures; it holds ${input.files.length}.`);
    }
    const keep = input.store ?? true;
    return { results: await Promise.all(input.files.map((file) => analyzeOne(file, keep, context))) };
  },

  async analyzeVideo(_, { input }, { pipeline }) {
    const { mediaId, labels, retentionDays } = input;
    // A promise of a file, until the request's part has come.
    const file = await input.file;
    if ((file === undefined || file === null) === (mediaId === undefined || mediaId === null)) {
      throw new AppError('BAD_INPUT', 'Give either file or mediaId, not both and not neither.');
    }
    const uploadId = file ? (await pipeline.receiveUpload(file.stream(), { contentLength: file.size })).id : mediaId;
    const sampling: Sampling =
      typeof input.framesPerSecond === 'number'
        ? { kind: 'RATE', framesPerSecond: input.framesPerSecond }
        : { kind: 'EVERY_FRAME' };
    try {
      return await pipeline.analyzeVideo({
        uploadId: uploadId ?? '',
        name: input.name ?? nameOf(file) ?? 'video',
        sampling,
        ...(labels ? { labels } : {}),
        ...(typeof retentionDays === 'number' ? { retentionDays } : {}),
      });
    } catch (thrown) {
      // Nobody else knows the id of this upload, so nobody could try again with it.
      if (file && uploadId) await pipeline.removeUpload(uploadId);
      throw thrown;
    }
  },

  openStream: (_, { input: { url, name, delivery, rtspTransport, framesPerSecond, ...rest } }, { pipeline }) =>
    pipeline.openStream({
      url,
      // The pipeline names a stream by its address where nobody else does.
      ...(typeof name === 'string' ? { name } : {}),
      ...(delivery ? { delivery } : {}),
      ...(rtspTransport ? { rtspTransport } : {}),
      ...(typeof framesPerSecond === 'number' ? { framesPerSecond } : {}),
      ...lookingOptions(rest),
    }),
  openPush: (_, { input: { name, ...rest } }, { pipeline }) =>
    pipeline.openPush({ name: name ?? 'pushed', ...lookingOptions(rest) }),
  async pushFrame(_, { streamId, frame, capturedAt }, { pipeline, request }) {
    const file = await frame;
    const estimate = await pipeline.pushFrame(streamId, {
      bytes: new Uint8Array(await file.arrayBuffer()),
      ...(capturedAt ? { capturedAt } : {}),
      ...(request === undefined ? {} : { signal: request.signal }),
    });
    return { ...estimate, droppedBefore: 0 };
  },
  stopStream: (_, { id }, { pipeline }) => pipeline.stopStream(id),
  deleteStream: async (_, { id }, { pipeline }) => ({ id, ...(await pipeline.deleteStream(id)) }),
  deleteImage: (_, { id }, { store }) => store.deleteImage(id),
};

/** What live and pushed streams have in common, without the nulls that GraphQL allows. */
function lookingOptions(
  input: Pick<OpenPushInput, 'labels' | 'maxWidthPixels' | 'smoothingSeconds' | 'trackMissSeconds' | 'retentionDays'>,
) {
  const { labels, maxWidthPixels, smoothingSeconds, trackMissSeconds, retentionDays } = input;
  return {
    ...(labels ? { labels } : {}),
    ...(typeof maxWidthPixels === 'number' ? { maxWidthPixels } : {}),
    ...(typeof smoothingSeconds === 'number' ? { smoothingSeconds } : {}),
    ...(typeof trackMissSeconds === 'number' ? { trackMissSeconds } : {}),
    ...(typeof retentionDays === 'number' ? { retentionDays } : {}),
  };
}

async function analyzeOne(upload: File | Promise<File>, store: boolean, { pipeline, log, traffic, request }: Context) {
  const file = await upload;
  const name = nameOf(file);
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const [analysis] = await pipeline.analyzeImages([{ bytes, name }], {
      store,
      // Nobody waits for the result any more when the client is gone.
      ...(request === undefined ? {} : { signal: request.signal }),
    });
    return { name, analysis: analysis ?? null, error: null };
  } catch (thrown) {
    const { code, message, retryable, cause } = toAppError(thrown);
    traffic.refused(code);
    // The cause alone: the message names the file. Too many pictures at once are no fault of the server.
    if (ERROR_KINDS[code].status >= 500 && code !== 'OVERLOADED') {
      log.error({ code, err: cause ?? thrown }, 'a picture failed');
    }
    return { name, analysis: null, error: { code, message, retryable } };
  }
}

function nameOf(file: File | null | undefined): string | null {
  const name = file?.name?.trim() ?? '';
  return name === '' || name === 'blob' ? null : name.slice(0, MAX_NAME_LENGTH);
}
