import type { StreamRecord } from '../../domain.ts';
import { endable } from '../../flow/index.ts';
import type { SubscriptionResolvers } from '../../generated/graphql.ts';
import type { FrameDelivery } from '../../pipeline/index.ts';
import { decodeFrameCursor } from '../../store/index.ts';
import type { FrameModel } from '../models.ts';

/** How often a running stream's progress is told while its status stays the same. */
const PROGRESS_EVERY_MS = 1000;

export const Subscription: SubscriptionResolvers = {
  frames: {
    subscribe: (_, { streamId, after, fromStart, includeEmpty }, { pipeline, closing, onLiveFrame }) => {
      const start = fromStart === false ? undefined : -1;
      const afterSequence = typeof after === 'string' ? decodeFrameCursor(streamId, after) : start;
      const from = afterSequence === undefined ? {} : { afterSequence };
      const wanted = (includeEmpty ?? true) ? (delivery: FrameDelivery) => delivery : withFaces();
      const live = onLiveFrame && {
        onLive(delivery: FrameDelivery) {
          const one = wanted(delivery);
          return one === null ? undefined : onLiveFrame(one);
        },
      };
      return untilClosing(closing, async function* (signal) {
        for await (const delivery of pipeline.subscribeFrames(streamId, { signal, ...from, ...live })) {
          const one = wanted(delivery);
          if (one !== null) yield one;
        }
      });
    },
    resolve: ({ frame, droppedBefore }: FrameDelivery): FrameModel => ({ ...frame, droppedBefore }),
  },
  streamStatus: {
    subscribe: (_, { streamId }, { pipeline, closing }) =>
      untilClosing(closing, (signal) => withProgress(pipeline.subscribeStatus(streamId ?? null, { signal }))),
    resolve: (stream: StreamRecord) => stream,
  },
};

/** Can be left while it waits. A stop of the server, or a revoked key, is no end of a stream, so it is told as an error. */
function untilClosing<T>(
  closing: AbortSignal,
  make: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  return endable(async function* (ended) {
    yield* make(ended);
    if (closing.aborted) throw closing.reason;
  }, closing);
}

/** Of one subscriber's frames those with a face; what was lost before the others counts for the next. */
function withFaces(): (delivery: FrameDelivery) => FrameDelivery | null {
  let lost = 0;
  return ({ frame, droppedBefore }) => {
    lost += droppedBefore;
    if (frame.faces.length === 0) return null;
    const delivery = { frame, droppedBefore: lost };
    lost = 0;
    return delivery;
  };
}

/** Tells a running stream again every second, because its progress has changed although its status has not. */
async function* withProgress(streams: AsyncGenerator<StreamRecord>): AsyncGenerator<StreamRecord, void, undefined> {
  const running = new Map<string, StreamRecord>();
  let next = streams.next();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const tick = new Promise<null>((resolve) => {
        if (running.size > 0) timer = setTimeout(resolve, PROGRESS_EVERY_MS, null);
      });
      const result = await Promise.race([next, tick]).finally(() => clearTimeout(timer));
      if (result === null) {
        yield* running.values();
        continue;
      }
      if (result.done === true) return;
      const stream = result.value;
      if (stream.status === 'RUNNING') running.set(stream.id, stream);
      else running.delete(stream.id);
      yield stream;
      next = streams.next();
    }
  } finally {
    await streams.return(undefined);
  }
}
