/** The warnings of a stream: one entry for each kind of fault, with its count. */
import type { StreamWarning } from '../domain.ts';

/** Adds `more` to `warnings`: counts of the same code and message add up, new ones go to the end. */
export function addWarnings(
  warnings: readonly StreamWarning[],
  more: readonly StreamWarning[],
): readonly StreamWarning[] {
  const merged = new Map<string, StreamWarning>();
  for (const warning of [...warnings, ...more]) {
    const key = `${warning.code} ${warning.message}`;
    merged.set(key, { ...warning, count: (merged.get(key)?.count ?? 0) + warning.count });
  }
  return [...merged.values()];
}
