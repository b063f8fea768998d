/** Several signals as one, for as long as somebody needs it. */
interface JoinedSignals extends Disposable {
  /** Fires with the reason of the first that does; never again once it is disposed of. */
  readonly signal: AbortSignal;
}

/**
 * Joins signals of which one outlives the work, and lets go of them when it is disposed of. `AbortSignal.any` does not on
 * Node 20: it leaves an entry in each of its sources for as long as that lives (nodejs/node#55351).
 */
export function joinSignals(signals: readonly AbortSignal[]): JoinedSignals {
  const joined = new AbortController();
  const letGo = (): void => {
    for (const signal of signals) signal.removeEventListener('abort', fire);
  };
  function fire(this: AbortSignal): void {
    letGo();
    joined.abort(this.reason);
  }
  const fired = signals.find(({ aborted }) => aborted);
  if (fired !== undefined) joined.abort(fired.reason);
  else for (const signal of signals) signal.addEventListener('abort', fire, { once: true });
  return { signal: joined.signal, [Symbol.dispose]: letGo };
}
