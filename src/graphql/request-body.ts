/** The bodies of GraphQL requests: in memory while they are at work, so they are limited one by one and together. */
import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors.ts';

/** Bodies that are in memory together, over all requests; what does not fit any more is refused. */
export interface BodyBudget {
  /** Takes `bytes` out until the returned function is called. Errors: OVERLOADED. */
  reserve(bytes: number): () => void;
}

export function createBodyBudget(maxBytes: number): BodyBudget {
  let taken = 0;
  return {
    reserve(bytes) {
      if (taken + bytes > maxBytes) {
        throw new AppError('OVERLOADED', 'Too many uploads at once; try again in a moment, or use PUT /media.');
      }
      taken += bytes;
      let held = true;
      return () => {
        if (held) taken -= bytes;
        held = false;
      };
    },
  };
}

/** Bytes that the request announces; null when it sends chunks of unknown number. */
export function announcedBytes({ headers }: IncomingMessage): number | null {
  if (headers['transfer-encoding'] !== undefined) return null;
  return Number(headers['content-length'] ?? 0);
}

/**
 * For a body of unknown length: whoever parses the request reads no more than the limit. Where there is more,
 * `onTooLarge` answers it, and the parser sees a broken body. Node itself holds other requests to what they announced.
 */
export function limitBody(request: IncomingMessage, maxBytes: number, onTooLarge: (error: AppError) => void): void {
  const body = {
    maxBytes,
    async *[Symbol.asyncIterator]() {
      let sizeBytes = 0;
      // The answer goes over the same socket, so a body that is refused must not destroy it.
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes > maxBytes) {
          const error = tooLarge(maxBytes);
          onTooLarge(error);
          throw error;
        }
        yield chunk;
      }
    },
  };
  // The name by which Node's frameworks hand over a body that they have prepared.
  Object.assign(request, { body });
}

export function tooLarge(maxBytes: number): AppError {
  return new AppError(
    'UPLOAD_TOO_LARGE',
    `The request has more than the ${maxBytes} bytes that are taken here; send large videos by PUT /media.`,
  );
}
