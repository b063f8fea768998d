import type { StreamRecord } from '../../domain.ts';
import type { SubscriptionResolvers } from '../../generated/graphql.ts';
import type { FrameDelivery } from '../../pipeline/index.ts';
import { decodeFrameCursor } from '../../store/index.ts';
import type { FrameModel } from '../models.ts';
import { abortedWith } from './aborted-with.ts';

/** How often a running stream's progress is told while its status stays the same. */
const PROGRESS_EVERY_MS = 1000;

export const Subscription: SubscriptionResolvers = {
  frames: {
    subscribe: (_, { streamId, after, fromStart, includeEmpty }, { pipeline }) => {
      const afterSequence = typeof after === 'string' ? decodeFrameCursor(streamId, after) : fromStart ? -1 : undefined;
      return abortedWith((signal) =>
        models(
          pipeline.subscribeFrames(streamId, { signal, ...(afterSequence === undefined ? {} : { afterSequence }) }),
          includeEmpty ?? true,
        ),
      );
    },
    resolve: (frame: FrameModel) => frame,
  },
  streamStatus: {
    subscribe: (_, { streamId }, { pipeline }) =>
      abortedWith((signal) => withProgress(pipeline.subscribeStatus(streamId ?? null, { signal }))),
    resolve: (stream: StreamRecord) => stream,
  },
};

async function* models(
  deliveries: AsyncGenerator<FrameDelivery>,
  includeEmpty: boolean,
): AsyncGenerator<FrameModel, void, undefined> {
  let dropped = 0;
  for await (const { frame, droppedBefore } of deliveries) {
    dropped += droppedBefore;
    if (!includeEmpty && frame.faces.length === 0) continue;
    yield { ...frame, droppedBefore: dropped };
    dropped = 0;
  }
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
