/** What an operator's tools ask: does the process live, can it work, how busy is it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../access/index.ts';
import { AppError, toAppError } from '../errors.ts';
import type { Metrics } from '../metrics/index.ts';
import type { ServerParts } from './context.ts';

/** A part of the server that keeps it from working, and why. */
export interface Failing {
  readonly part: 'networks' | 'database' | 'server';
  readonly reason: string;
}

export type Readiness = Pick<ServerParts, 'pipeline' | 'store' | 'closing'>;

/** A database that is asked and does not answer in this time is taken to fail. */
const DATABASE_LIMIT_MS = 2000;
/** One look at the parts serves all who ask within this time: looking writes to the disk. */
const KEPT_MS = 1000;

/** The parts that fail now; none means that work can be taken. */
export async function failingParts({ pipeline, store, closing }: Readiness): Promise<readonly Failing[]> {
  const failing: Failing[] = [];
  if (closing.aborted) failing.push({ part: 'server', reason: 'The server is stopping.' });
  const { find, read } = pipeline.statistics().vision;
  if (find.workersUp === 0 || read.workersUp === 0) {
    failing.push({ part: 'networks', reason: 'No worker thread is up; they are being started again.' });
  }
  const reason = await databaseFault(store);
  if (reason !== null) failing.push({ part: 'database', reason });
  return failing;
}

async function databaseFault(store: Readiness['store']): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    const reason = `The database has not answered within ${DATABASE_LIMIT_MS} ms.`;
    timer = setTimeout(resolve, DATABASE_LIMIT_MS, reason);
  });
  const answer = store.checkWritable().then(
    () => null,
    (thrown: unknown) => toAppError(thrown).message,
  );
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** A request that has passed the guards, with who it is from. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
}

export type Probe = (exchange: Exchange) => Promise<void>;

/** Whoever watches a process should not need a key of it. */
export const OPEN_PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/**
 * The probes by their paths:
 *
 *     /healthz   200 as long as the process answers
 *     /readyz    200 when work can be taken, else 503; with the parts that fail for who has a key, or needs none
 *     /metrics   the text format of Prometheus, for admins
 */
export function createProbes(parts: Readiness, metrics: Metrics): Readonly<Record<string, Probe>> {
  let look: { readonly atMs: number; readonly failing: Promise<readonly Failing[]> } | null = null;

  function failingNow(): Promise<readonly Failing[]> {
    const nowMs = performance.now();
    if (look === null || parts.closing.aborted || nowMs - look.atMs > KEPT_MS) {
      look = { atMs: nowMs, failing: failingParts(parts) };
    }
    return look.failing;
  }

  return {
    '/healthz': async ({ response }) => answerJson(response, 200, { alive: true }),
    '/readyz': async ({ response, caller }) => {
      const failing = await failingNow();
      const ready = failing.length === 0;
      answerJson(response, ready ? 200 : 503, caller.isKnown ? { ready, failing } : { ready });
    },
    '/metrics': async ({ response, caller }) => {
      caller.demand('admin');
      const text = await metrics.render();
      response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' });
      response.end(text);
    },
  };
}

/** Errors: BAD_INPUT for what is no reading. */
export function checkReading(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  response.setHeader('allow', 'GET, HEAD');
  throw new AppError('BAD_INPUT', 'This address is only read: use GET or HEAD.');
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
