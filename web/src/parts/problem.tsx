import type { Failure } from '../server/failure.ts';

/** What went wrong, for people and for screen readers. */
export function Problem({ failure }: { readonly failure: Failure | null }) {
  if (failure === null) return null;
  return (
    <p class="problem" role="alert">
      {failure.code === null ? '' : `${failure.code}: `}
      {failure.message}
    </p>
  );
}
