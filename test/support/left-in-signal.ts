/** What an AbortSignal keeps of those who used it. */
import { getEventListeners } from 'node:events';

/** Listeners of a signal, and the signals that `AbortSignal.any` has made of it: Node 20 keeps an entry of each. */
export function leftIn(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length + dependants(signal);
}

function dependants(signal: AbortSignal): number {
  const key = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'kDependantSignals');
  return key === undefined ? 0 : (Reflect.get(signal, key) as ReadonlySet<unknown>).size;
}
