/** Of lists that are shown newest first: the length of what is asked for at first, and at most by one question. */
export const FIRST = { least: 25, most: 1000 };

interface OlderProps {
  /** How many are shown. */
  readonly first: number;
  readonly hasMore: boolean;
  readonly show: (first: number) => void;
}

/** A way to the older ones of a list, as long as one answer holds them. */
export function Older({ first, hasMore, show }: OlderProps) {
  if (!hasMore) return null;
  if (first >= FIRST.most) return <p class="quiet">The newest {FIRST.most}; the API has all.</p>;
  return (
    <button type="button" class="plain" onClick={() => show(Math.min(FIRST.most, first * 2))}>
      Older ones
    </button>
  );
}
