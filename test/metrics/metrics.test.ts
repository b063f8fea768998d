import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamStatus } from '../../src/domain.ts';
import { createMetrics, type TrafficStatistics } from '../../src/metrics/index.ts';
import type { RunningPipeline } from '../../src/start-pipeline.ts';
import { httpServer, motionJpeg, smallPhotograph } from '../faults/fixtures/sources.ts';
import { ended, framesStored, makeVideo, openPipeline, submit, temporaryFolder } from '../pipeline/support.ts';
import { type Family, parseMetrics, sampleOf } from '../support/prometheus.ts';

const TRAFFIC: TrafficStatistics = {
  requests: { query: 1, mutation: 2, subscription: 3, upload: 4, export: 5, probe: 6, page: 7 },
  refusals: { NOT_FOUND: 7 },
  webSockets: 8,
  exportsInFlight: 9,
};
/** Base units, as Prometheus asks for; `info` and counts of things have none. */
const UNITS = /_(seconds|bytes|faces|items)(_total)?$|_timestamp_seconds$/;
const FRAMES = 40;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: RunningPipeline;
let families: ReadonlyMap<string, Family>;
beforeAll(async () => {
  folder = await temporaryFolder();
  const video = await makeVideo(join(folder.path, 'short.mp4'), { frames: FRAMES });
  running = await openPipeline(join(folder.path, 'data'));
  const { id } = await submit(running.pipeline, video);
  await ended(running.pipeline, id);
  families = await scrape();
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function scrape(change: Partial<RunningPipeline> = {}): Promise<ReadonlyMap<string, Family>> {
  using metrics = createMetrics({ ...running, ...change, traffic: { statistics: () => TRAFFIC } });
  expect(metrics.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  return parseMetrics(await metrics.render());
}

describe('the metrics', () => {
  it('have names, units and meanings as Prometheus asks for', () => {
    for (const [name, { help, type, samples }] of families) {
      expect(name).toMatch(/^circumplex_[a-z]+(_[a-z]+)*$/);
      expect(help).toMatch(/\.$/);
      expect(['counter', 'gauge', 'histogram']).toContain(type);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(UNITS);
      for (const { value } of samples) expect(value).toBeGreaterThanOrEqual(0);
    }
  });

  it('have a value each, but for what is not known yet', () => {
    const empty = [...families].filter(([, { samples }]) => samples.length === 0).map(([name]) => name);
    expect(empty.filter((name) => name !== 'circumplex_retention_last_sweep_timestamp_seconds')).toEqual([]);
  });

  it('have histograms whose buckets rise up to their count', () => {
    for (const [name, { type, samples }] of families) {
      if (type !== 'histogram') continue;
      const series = new Map<string, typeof samples>();
      for (const sample of samples.filter((one) => one.name === `${name}_bucket`)) {
        const { le: _, ...labels } = sample.labels;
        const key = JSON.stringify(labels);
        series.set(key, [...(series.get(key) ?? []), sample]);
      }
      expect(series.size).toBeGreaterThan(0);
      for (const [key, buckets] of series) {
        const labels = JSON.parse(key) as Record<string, string>;
        const bounds = buckets.map(({ labels: { le } }) => Number(le!.replace('+Inf', 'Infinity')));
        expect(bounds).toEqual([...bounds].sort((one, other) => one - other));
        expect(bounds.at(-1)).toBe(Number.POSITIVE_INFINITY);
        const counts = buckets.map(({ value }) => value);
        expect(counts).toEqual([...counts].sort((one, other) => one - other));
        expect(sampleOf(families, `${name}_count`, labels)).toBe(counts.at(-1));
        expect(sampleOf(families, `${name}_sum`, labels)).toBeGreaterThanOrEqual(0);
      }
    }
  });

  it('agree with what was done', () => {
    const { facesFound, vision } = running.pipeline.statistics();
    expect(sampleOf(families, 'circumplex_streams', { status: 'COMPLETED' })).toBe(1);
    expect(sampleOf(families, 'circumplex_streams', { status: 'RUNNING' })).toBe(0);
    for (const [outcome, frames] of Object.entries({ scored: FRAMES, failed: 0, skipped: 0 })) {
      expect(sampleOf(families, 'circumplex_frames_total', { outcome })).toBe(frames);
    }
    expect(facesFound).toBeGreaterThanOrEqual(FRAMES);
    expect(sampleOf(families, 'circumplex_faces_total')).toBe(facesFound);
    expect(sampleOf(families, 'circumplex_frame_latency_seconds_count', { source: 'file' })).toBe(FRAMES);
    expect(sampleOf(families, 'circumplex_store_frames_written_total')).toBe(FRAMES);
    expect(sampleOf(families, 'circumplex_store_write_seconds_count')).toBe(FRAMES);
    expect(sampleOf(families, 'circumplex_batch_faces_sum')).toBe(vision.facesRead);
    expect(sampleOf(families, 'circumplex_worker_job_seconds_count', { job: 'find' })).toBe(FRAMES);
    expect(sampleOf(families, 'circumplex_queue_wait_seconds_count', { queue: 'find' })).toBe(FRAMES);
    expect(sampleOf(families, 'circumplex_workers')).toBe(1);
    expect(sampleOf(families, 'circumplex_workers_up')).toBe(1);
    expect(sampleOf(families, 'circumplex_media_processes')).toBe(0);
    expect(sampleOf(families, 'circumplex_media_processes_started_total')).toBeGreaterThanOrEqual(2);
    expect(sampleOf(families, 'circumplex_uploads_total', { outcome: 'received' })).toBe(1);
    expect(sampleOf(families, 'circumplex_requests_total', { kind: 'subscription' })).toBe(3);
    expect(sampleOf(families, 'circumplex_refusals_total', { code: 'NOT_FOUND' })).toBe(7);
    expect(sampleOf(families, 'circumplex_websocket_connections')).toBe(8);
  });

  it('have times in seconds and memory in bytes', () => {
    const frameSeconds = sampleOf(families, 'circumplex_frame_latency_seconds_sum', { source: 'file' })! / FRAMES;
    expect(frameSeconds).toBeGreaterThan(0.001);
    expect(frameSeconds).toBeLessThan(30);
    expect(sampleOf(families, 'circumplex_memory_bytes', { kind: 'rss' })).toBeGreaterThan(50e6);
    const started = sampleOf(families, 'circumplex_start_time_seconds')!;
    expect(Date.now() / 1000 - started).toBeGreaterThan(0);
    expect(Date.now() / 1000 - started).toBeLessThan(3600);
    expect(sampleOf(families, 'circumplex_event_loop_active_seconds_total')).toBeGreaterThan(0.01);
  });

  it('come also while the database does not answer, without what it would say', async () => {
    const store = Object.assign(Object.create(running.store) as typeof running.store, {
      countStreams: () => Promise.reject(new Error('no database')),
    });
    const without = await scrape({ store });
    expect(without.get('circumplex_streams')?.samples).toEqual([]);
    expect(sampleOf(without, 'circumplex_faces_total')).toBeGreaterThan(0);
  });

  it('are those of their own server, several of which may live in one process', async () => {
    const traffic = (webSockets: number) => ({ statistics: () => ({ ...TRAFFIC, webSockets }) });
    using one = createMetrics({ ...running, traffic: traffic(1) });
    using other = createMetrics({ ...running, traffic: traffic(2) });
    const [first, second] = await Promise.all([one.render(), other.render()]);
    expect(sampleOf(parseMetrics(first), 'circumplex_websocket_connections')).toBe(1);
    expect(sampleOf(parseMetrics(second), 'circumplex_websocket_connections')).toBe(2);
  });

  it('show an event loop that stood still', async () => {
    using metrics = createMetrics({ ...running, traffic: { statistics: () => TRAFFIC } });
    const stallMs = 700;
    // The timer that measures has to be started before the loop is blocked.
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (const beganAtMs = performance.now(); performance.now() - beganAtMs < stallMs; );
    await new Promise((resolve) => setTimeout(resolve, 1));
    const seen = parseMetrics(await metrics.render());
    const all = sampleOf(seen, 'circumplex_event_loop_delay_seconds_count')!;
    const upTo500Ms = sampleOf(seen, 'circumplex_event_loop_delay_seconds_bucket', { le: '0.5' })!;
    expect(all - upTo500Ms).toBeGreaterThanOrEqual(1);
  });
});

describe('the metrics of live streams', () => {
  async function becomes(id: string, status: StreamStatus): Promise<void> {
    for await (const stream of running.pipeline.subscribeStatus(id)) if (stream.status === status) return;
    throw new Error(`the stream ended before it was ${status}`);
  }

  function statuses(seen: ReadonlyMap<string, Family>): readonly (number | undefined)[] {
    return ['CONNECTING', 'RUNNING', 'STALLED', 'RECONNECTING'].map((status) =>
      sampleOf(seen, 'circumplex_live_streams', { status }),
    );
  }

  it('tell how they stand to their sources, and count what was lost and what came back', async () => {
    const jpeg = await smallPhotograph();
    let listening = true;
    let play = (): void => undefined;
    const playing = new Promise<void>((resolve) => {
      play = resolve;
    });
    await using source = await httpServer((_, response) => {
      if (listening) void playing.then(() => motionJpeg(response, jpeg, 10));
      else response.writeHead(503).end();
    });
    const filesBefore = sampleOf(await scrape(), 'circumplex_frame_latency_seconds_count', { source: 'file' });
    const { id } = await running.pipeline.openStream({ url: `${source.url}/video`, maxWidthPixels: 320 });
    expect(statuses(await scrape())).toEqual([1, 0, 0, 0]);
    play();
    await framesStored(running.pipeline, id, 2);
    expect(statuses(await scrape())).toEqual([0, 1, 0, 0]);
    listening = false;
    source.cut();
    await becomes(id, 'RECONNECTING');
    const lost = await scrape();
    expect(statuses(lost)).toEqual([0, 0, 0, 1]);
    expect(sampleOf(lost, 'circumplex_live_reconnects_total')).toBe(0);
    listening = true;
    await becomes(id, 'RUNNING');
    const back = await scrape();
    expect(sampleOf(back, 'circumplex_live_reconnects_total')).toBe(1);
    expect(sampleOf(back, 'circumplex_live_places_taken')).toBe(1);

    await running.pipeline.stopStream(id);
    const after = await scrape();
    const { framesDone, framesSkipped } = await running.pipeline.progress(id);
    const frames = (outcome: string) =>
      sampleOf(after, 'circumplex_live_frames_total', { delivery: 'LATEST', outcome });
    expect([frames('scored'), frames('skipped')]).toEqual([framesDone, framesSkipped]);
    expect(sampleOf(after, 'circumplex_frame_latency_seconds_count', { source: 'live' })).toBe(framesDone);
    expect(sampleOf(after, 'circumplex_frame_latency_seconds_count', { source: 'file' })).toBe(filesBefore);
    expect([...statuses(after), sampleOf(after, 'circumplex_live_places_taken')]).toEqual([0, 0, 0, 0, 0]);
  });
});
