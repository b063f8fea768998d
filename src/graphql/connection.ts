import type { Page } from '../store/index.ts';

/** A page as the schema's connections have it. */
export function connection<T>({ items, hasNextPage }: Page<T>, cursorOf: (item: T) => string) {
  const edges = items.map((node) => ({ cursor: cursorOf(node), node }));
  return { edges, nodes: items, pageInfo: { hasNextPage, endCursor: edges.at(-1)?.cursor ?? null } };
}
