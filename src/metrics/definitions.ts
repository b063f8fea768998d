/** Every metric in one table: name with its unit, meaning, and where its value comes from. The documents show the same. */
import type { HistogramSnapshot } from '../flow/index.ts';
import type { Figures } from './figures.ts';

export type Labels = Readonly<Record<string, string>>;

/** A number with what tells it from the others of its metric. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Labels;
  readonly snapshot: HistogramSnapshot;
}

/** Values in the metric's unit. No sample at all where nothing is known. */
export type Definition =
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'counter' | 'gauge';
      readonly samples: (figures: Figures) => readonly Sample[];
    }
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'histogram';
      readonly histograms: (figures: Figures) => readonly HistogramSample[];
    };

type Read = (figures: Figures) => number | null;

function single(read: Read): (figures: Figures) => readonly Sample[] {
  return (figures) => {
    const value = read(figures);
    return value === null ? [] : [{ labels: {}, value }];
  };
}

function counter(name: string, help: string, read: Read): Definition {
  return { name, help, type: 'counter', samples: single(read) };
}

function gauge(name: string, help: string, read: Read): Definition {
  return { name, help, type: 'gauge', samples: single(read) };
}

type ReadMany = (figures: Figures) => Readonly<Record<string, number>> | null;

/** One number for each key, which becomes the value of `label`. */
function many(label: string, read: ReadMany): (figures: Figures) => readonly Sample[] {
  return (figures) => Object.entries(read(figures) ?? {}).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

function counters(name: string, help: string, label: string, read: ReadMany): Definition {
  return { name, help, type: 'counter', samples: many(label, read) };
}

function gauges(name: string, help: string, label: string, read: ReadMany): Definition {
  return { name, help, type: 'gauge', samples: many(label, read) };
}

function histogram(name: string, help: string, read: (figures: Figures) => HistogramSnapshot): Definition {
  return { name, help, type: 'histogram', histograms: (figures) => [{ labels: {}, snapshot: read(figures) }] };
}

type ReadKinds = (figures: Figures) => Readonly<Record<string, HistogramSnapshot>>;

function histograms(name: string, help: string, label: string, read: ReadKinds): Definition {
  return {
    name,
    help,
    type: 'histogram',
    histograms: (figures) =>
      Object.entries(read(figures)).map(([key, snapshot]) => ({ labels: { [label]: key }, snapshot })),
  };
}

const SCORING: readonly Definition[] = [
  {
    name: 'circumplex_info',
    help: 'Always 1; its labels say what runs.',
    type: 'gauge',
    samples: ({ engine }) => [
      {
        labels: {
          engine: engine.engine,
          provider: engine.provider,
          model: engine.modelName,
          model_version: engine.modelVersion,
          detector: engine.detectorName,
        },
        value: 1,
      },
    ],
  },
  gauges('circumplex_streams', 'Streams in the database, by status.', 'status', ({ streams }) => streams),
  counters(
    'circumplex_frames_total',
    'Frames of streams: scored and stored, stored without faces because a worker failed, left out by a live stream.',
    'outcome',
    ({ pipeline: { framesDone, framesFailed, framesSkipped } }) => ({
      scored: framesDone - framesFailed,
      failed: framesFailed,
      skipped: framesSkipped,
    }),
  ),
  counter('circumplex_faces_total', 'Faces on scored frames and pictures.', ({ pipeline }) => pipeline.facesFound),
  counters('circumplex_images_total', 'Still pictures, scored or not.', 'outcome', ({ pipeline }) => ({
    scored: pipeline.imagesDone,
    failed: pipeline.imagesFailed,
  })),
  histograms(
    'circumplex_frame_latency_seconds',
    'From the decoding of a frame, or its arrival from a live source or a client, to its estimate.',
    'source',
    ({ pipeline: { frameLatencyMs } }) => ({
      file: inSeconds(frameLatencyMs.FILE),
      live: inSeconds(frameLatencyMs.LIVE),
      push: inSeconds(frameLatencyMs.PUSH),
    }),
  ),
  histogram(
    'circumplex_image_latency_seconds',
    'From the first byte decoded of a still picture to its estimate, without the wait for its turn.',
    ({ pipeline }) => inSeconds(pipeline.imageLatencyMs),
  ),
  gauge('circumplex_jobs_running', 'Streams at work.', ({ pipeline }) => pipeline.jobsRunning),
  gauge('circumplex_images_running', 'Still pictures at work.', ({ pipeline }) => pipeline.imagesInFlight),
];

const LIVE: readonly Definition[] = [
  gauges(
    'circumplex_live_streams',
    'Open streams that the server reads from a source, by how they stand to it.',
    'status',
    ({ pipeline }) => pipeline.live.streams,
  ),
  gauge(
    'circumplex_live_places_taken',
    'Open live and pushed streams, of MAX_LIVE_STREAMS.',
    ({ pipeline }) => pipeline.liveStreams,
  ),
  counter(
    'circumplex_live_reconnects_total',
    'Times that frames came again after a source had been lost.',
    ({ pipeline }) => pipeline.live.reconnects,
  ),
  counter(
    'circumplex_live_stalls_total',
    'Times that a source fell silent for STALL_SECONDS.',
    ({ pipeline }) => pipeline.live.stalls,
  ),
  {
    name: 'circumplex_live_frames_total',
    help: 'Frames of live sources: scored, and skipped because newer ones had come.',
    type: 'counter',
    samples: ({ pipeline }) =>
      Object.entries(pipeline.live.frames).flatMap(([delivery, frames]) =>
        Object.entries(frames).map(([outcome, value]) => ({ labels: { delivery, outcome }, value })),
      ),
  },
];

const QUEUES: readonly Definition[] = [
  gauges(
    'circumplex_queue_items',
    'What waits: pictures to search (find), faces to read (read), video jobs, still pictures, frames to store.',
    'queue',
    ({ pipeline: { vision, jobsQueued, imagesWaiting }, store }) => ({
      find: vision.find.queued + vision.find.waiting,
      read: vision.read.queued + vision.read.waiting,
      jobs: jobsQueued,
      images: imagesWaiting,
      store: store.framesWaiting,
    }),
  ),
  counters(
    'circumplex_queue_refusals_total',
    'Work that was refused with OVERLOADED because a queue was full, or all places for live streams taken.',
    'queue',
    ({ pipeline: { vision, jobsRefused, imagesRefused, liveStreamsRefused } }) => ({
      find: vision.find.refused,
      read: vision.read.refused,
      jobs: jobsRefused,
      images: imagesRefused,
      live: liveStreamsRefused,
    }),
  ),
  histograms(
    'circumplex_queue_wait_seconds',
    'Wait for a worker, of pictures to search and of faces to read.',
    'queue',
    ({ pipeline: { vision } }) => ({ find: inSeconds(vision.find.waitMs), read: inSeconds(vision.read.waitMs) }),
  ),
];

const WORKERS: readonly Definition[] = [
  gauge('circumplex_workers', 'Worker threads that there should be.', ({ engine }) => engine.workers),
  gauge('circumplex_workers_up', 'Worker threads that are up.', ({ pipeline }) => pipeline.vision.workersUp),
  gauge('circumplex_workers_busy', 'Worker threads at work.', ({ pipeline }) => pipeline.vision.workersBusy),
  counter(
    'circumplex_worker_restarts_total',
    'Dead worker threads that were replaced.',
    ({ pipeline }) => pipeline.vision.restarts,
  ),
  counter(
    'circumplex_worker_retries_total',
    'Jobs tried again because their worker died.',
    ({ pipeline }) => pipeline.vision.retries,
  ),
  counter(
    'circumplex_worker_failures_total',
    'Calls that failed with WORKER_FAILED.',
    ({ pipeline }) => pipeline.vision.failures,
  ),
  histograms(
    'circumplex_worker_job_seconds',
    'Time of one job on a worker: a picture searched, a batch of faces read.',
    'job',
    ({ pipeline: { vision } }) => ({ find: inSeconds(vision.find.workMs), read: inSeconds(vision.read.workMs) }),
  ),
  histogram('circumplex_batch_faces', 'Faces that the model read at once.', ({ pipeline }) =>
    ofSizes(pipeline.vision.batchSizes),
  ),
];

const STORE: readonly Definition[] = [
  histogram('circumplex_store_write_seconds', 'From handing frames to the store until they are on disk.', ({ store }) =>
    inSeconds(store.appendMs),
  ),
  counter('circumplex_store_frames_written_total', 'Frames written.', ({ store }) => store.framesWritten),
  counter('circumplex_store_writes_total', 'Transactions of frames.', ({ store }) => store.writes),
  counter(
    'circumplex_store_write_failures_total',
    'Transactions of frames that failed.',
    ({ store }) => store.writesFailed,
  ),
  counters('circumplex_retention_erased_total', 'What was erased because of its age.', 'kind', ({ pipeline }) => ({
    streams: pipeline.retention.streams,
    frames: pipeline.retention.frames,
    images: pipeline.retention.images,
  })),
  counter(
    'circumplex_retention_failures_total',
    'Sweeps of the retention that broke off with an error.',
    ({ pipeline }) => pipeline.retention.failures,
  ),
  gauge(
    'circumplex_retention_last_sweep_timestamp_seconds',
    'When everything that was due had last been erased, seconds since 1970.',
    ({ pipeline: { retention } }) => (retention.sweptAt === null ? null : retention.sweptAt.getTime() / 1000),
  ),
];

const TRAFFIC: readonly Definition[] = [
  counters(
    'circumplex_requests_total',
    'GraphQL operations over whatever transport, uploads, exports, and probes of health and metrics.',
    'kind',
    ({ traffic }) => traffic.requests,
  ),
  counters(
    'circumplex_refusals_total',
    'Errors that clients were told, by code.',
    'code',
    ({ traffic }) => traffic.refusals,
  ),
  gauge('circumplex_websocket_connections', 'Open WebSocket connections.', ({ traffic }) => traffic.webSockets),
  gauge('circumplex_exports_running', 'Exports under way.', ({ traffic }) => traffic.exportsInFlight),
  gauges('circumplex_subscribers', 'Subscribers to frames and to the status of streams.', 'kind', ({ pipeline }) => ({
    frames: pipeline.hub.frameSubscribers,
    status: pipeline.hub.statusSubscribers,
  })),
  counter(
    'circumplex_subscriber_frames_dropped_total',
    'Frames that subscribers lost because they were too slow.',
    ({ pipeline }) => pipeline.hub.framesDropped,
  ),
  gauge('circumplex_uploads_running', 'Uploads under way.', ({ pipeline }) => pipeline.uploads.inFlight),
  counters(
    'circumplex_uploads_total',
    'Uploads: received, refused because too many were under way, begun and not completed.',
    'outcome',
    ({ pipeline: { uploads } }) => ({
      received: uploads.received,
      refused: uploads.refused,
      failed: uploads.failed,
    }),
  ),
];

const PROCESS: readonly Definition[] = [
  gauge(
    'circumplex_media_processes',
    'Running ffmpeg and ffprobe processes.',
    ({ pipeline }) => pipeline.mediaProcesses.running,
  ),
  counter(
    'circumplex_media_processes_started_total',
    'ffmpeg and ffprobe processes that were started.',
    ({ pipeline }) => pipeline.mediaProcesses.started,
  ),
  histogram('circumplex_event_loop_delay_seconds', 'How late a timer of 100 ms was.', (figures) =>
    inSeconds(figures.process.eventLoopDelayMs),
  ),
  counter(
    'circumplex_event_loop_active_seconds_total',
    'Time in which the event loop was at work; its rate is the share of a core that the main thread has in use.',
    (figures) => figures.process.eventLoopActiveSeconds,
  ),
  gauges('circumplex_memory_bytes', 'Memory of the process; rss is all of it.', 'kind', (figures) => ({
    rss: figures.process.memory.rss,
    heap_used: figures.process.memory.heapUsed,
    heap_total: figures.process.memory.heapTotal,
    external: figures.process.memory.external,
    array_buffers: figures.process.memory.arrayBuffers,
  })),
  counters('circumplex_cpu_seconds_total', 'Time on the cores, without that of ffmpeg.', 'mode', (figures) => ({
    user: figures.process.cpuUserSeconds,
    system: figures.process.cpuSystemSeconds,
  })),
  gauge(
    'circumplex_open_file_descriptors',
    'Open files, sockets and pipes; Linux alone.',
    (figures) => figures.process.openFileDescriptors,
  ),
  gauge(
    'circumplex_start_time_seconds',
    'When the process started, seconds since 1970.',
    (figures) => figures.process.startedAtSeconds,
  ),
];

export const DEFINITIONS: readonly Definition[] = [
  ...SCORING,
  ...LIVE,
  ...QUEUES,
  ...WORKERS,
  ...STORE,
  ...TRAFFIC,
  ...PROCESS,
];

function inSeconds({ bounds, counts, sum }: HistogramSnapshot): HistogramSnapshot {
  return { bounds: bounds.map((ms) => ms / 1000), counts, sum: sum / 1000 };
}

/** From how often each size came, the sizes counting from 1; a bucket a size. */
function ofSizes(countOfSize: readonly number[]): HistogramSnapshot {
  return {
    bounds: countOfSize.map((_, index) => index + 1),
    counts: [...countOfSize, 0],
    sum: countOfSize.reduce((sum, count, index) => sum + count * (index + 1), 0),
  };
}
