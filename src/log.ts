/** The log: JSON lines on standard error, so that standard output belongs to results and to the address line alone. */
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Config } from './config.ts';

export type Log = Logger;

/** `destination` is for tests; default standard error, written at once so that a crash keeps its last lines. */
export function createLog(options: {
  readonly level: Config['logLevel'];
  readonly destination?: DestinationStream;
}): Log {
  return pino({ level: options.level, base: null }, options.destination ?? pino.destination({ dest: 2, sync: true }));
}
