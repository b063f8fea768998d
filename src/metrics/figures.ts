/** Everything that is known at the moment of a scrape, before it has names and units. */
import type { StreamStatus } from '../domain.ts';
import type { ErrorCode } from '../errors.ts';
import type { HistogramSnapshot } from '../flow/index.ts';
import type { EngineFacts, PipelineStatistics } from '../pipeline/index.ts';
import type { StoreStatistics } from '../store/index.ts';

/** Operations of GraphQL over whatever transport, and the plain requests beside them. */
export const REQUEST_KINDS = ['query', 'mutation', 'subscription', 'upload', 'export', 'probe', 'page'] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

/** What came to the server, since the start. */
export interface TrafficStatistics {
  readonly requests: Readonly<Record<RequestKind, number>>;
  /** Errors that clients were told, by their code; a code that never came may be missing. */
  readonly refusals: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Of this moment. */
  readonly webSockets: number;
  readonly exportsInFlight: number;
}

/** The process itself. */
export interface ProcessFigures {
  readonly startedAtSeconds: number;
  /** How late timers were. */
  readonly eventLoopDelayMs: HistogramSnapshot;
  /** Time in which the event loop was at work, since the start. */
  readonly eventLoopActiveSeconds: number;
  readonly memory: NodeJS.MemoryUsage;
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  /** `null` where the system does not say. */
  readonly openFileDescriptors: number | null;
}

export interface Figures {
  readonly engine: EngineFacts;
  readonly pipeline: PipelineStatistics;
  readonly store: StoreStatistics;
  /** `null` while the database does not answer. */
  readonly streams: Readonly<Record<StreamStatus, number>> | null;
  readonly traffic: TrafficStatistics;
  readonly process: ProcessFigures;
}
