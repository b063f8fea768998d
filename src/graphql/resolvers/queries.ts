import type { QueryResolvers } from '../../generated/graphql.ts';
import { decodeImageCursor, decodeStreamCursor, encodeImageCursor, encodeStreamCursor } from '../../store/index.ts';
import { connection } from '../connection.ts';

export const Query: QueryResolvers = {
  engine: (_, __, { pipeline }) => ({ ...pipeline.engine, ...pipeline.statistics() }),
  stream: (_, { id }, { store }) => store.stream(id),
  async streams(_, { first, after, status }, { store }) {
    const page = await store.streams({
      first: first ?? 20,
      ...(typeof after === 'string' ? { after: decodeStreamCursor(after) } : {}),
      ...(status ? { statuses: status } : {}),
    });
    return connection(page, encodeStreamCursor);
  },
  image: (_, { id }, { store }) => store.image(id),
  async images(_, { first, after }, { store }) {
    const page = await store.images({
      first: first ?? 20,
      ...(typeof after === 'string' ? { after: decodeImageCursor(after) } : {}),
    });
    return connection(page, encodeImageCursor);
  },
};
