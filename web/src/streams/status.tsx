import type { StreamStatus } from '../generated/graphql.ts';
import { wordOf } from '../parts/words.ts';

export function Status({ status }: { readonly status: StreamStatus }) {
  return <span class={`status ${status.toLowerCase()}`}>{wordOf(status)}</span>;
}
