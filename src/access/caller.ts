/** Who asks: one key, or anybody where the server has none. */
import { setMaxListeners } from 'node:events';
import type { ApiKeyRecord, KeyLimits, KeyScope, StreamRecord } from '../domain.ts';
import { AppError } from '../errors.ts';
import { Usage } from './usage.ts';

export interface Caller {
  /** False for somebody who needs a key and has none: he may do nothing but what all may. */
  readonly isKnown: boolean;
  /** What it makes belongs to this key; `null` without keys. */
  readonly keyId: string | null;
  /** Fires when it may do nothing any more; the reason is an {@link AppError}. */
  readonly ended: AbortSignal;
  readonly usage: Usage;
  /** Errors: FORBIDDEN. */
  demand(scope: KeyScope): void;
  /** Whether something that belongs to this key is there for it. */
  sees(owned: Pick<StreamRecord, 'ownerKeyId'>): boolean;
  /** The key whose things alone are there for it; `null` where all are. */
  readonly onlyKeyId: string | null;
}

/** A caller, with the way to end it. */
export interface EndableCaller {
  readonly caller: Caller;
  readonly end: (reason: AppError) => void;
}

const NO_LIMITS: KeyLimits = {
  openStreams: 0,
  requestsPerMinute: 0,
  uploadsInFlight: 0,
  uploadBytesPerDay: 0,
  subscriptions: 0,
  storedFrames: 0,
};

/** Anybody, where the server has no keys: may do and see everything. */
export function anyCaller(): EndableCaller {
  const usage = new Usage(NO_LIMITS);
  return endableCaller({ isKnown: true, keyId: null, onlyKeyId: null, usage, demand: () => undefined });
}

/** Somebody without a key, where the server has keys. Nothing belongs to him. */
export function nobody(): Caller {
  const usage = new Usage(NO_LIMITS);
  return endableCaller({
    isKnown: false,
    keyId: null,
    onlyKeyId: '',
    usage,
    demand() {
      throw keyMissing();
    },
  }).caller;
}

export function keyMissing(): AppError {
  return new AppError('UNAUTHENTICATED', 'This server asks for a key: give it as "Authorization: Bearer KEY".');
}

/** The holder of a key. Limits that it has none of its own for are those of `limits`. */
export function keyCaller(key: ApiKeyRecord, limits: KeyLimits): EndableCaller {
  const { id, scopes } = key;
  const isAdmin = scopes.includes('admin');
  return endableCaller({
    isKnown: true,
    keyId: id,
    onlyKeyId: isAdmin ? null : id,
    usage: new Usage({ ...limits, ...key.limits }),
    demand(scope) {
      if (isAdmin || scopes.includes(scope)) return;
      throw new AppError('FORBIDDEN', `The key has no scope "${scope}"; use one that has.`);
    },
  });
}

function endableCaller(rest: Omit<Caller, 'ended' | 'sees'>): EndableCaller {
  const ending = new AbortController();
  // One listener a WebSocket, and one an upload.
  setMaxListeners(0, ending.signal);
  const { onlyKeyId } = rest;
  return {
    caller: {
      ...rest,
      ended: ending.signal,
      sees: ({ ownerKeyId }) => onlyKeyId === null || ownerKeyId === onlyKeyId,
    },
    end: (reason) => ending.abort(reason),
  };
}
