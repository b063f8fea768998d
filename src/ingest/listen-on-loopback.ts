import { once } from 'node:events';
import type { Server } from 'node:net';
import { AppError } from '../errors.ts';

/** Lets a server of ours listen on a free port that only this machine reaches. Errors: OVERLOADED. */
export async function listenOnLoopback(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new AppError('OVERLOADED', 'The system has no room for another connection; try again later.', { cause });
  }
}
