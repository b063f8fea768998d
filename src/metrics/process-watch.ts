import { readdir } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { Histogram } from '../flow/index.ts';
import type { ProcessFigures } from './figures.ts';

/** A timer this often costs nothing that could be measured and meets every stall of the event loop that matters. */
const TICK_MS = 100;
const DELAY_BOUNDS_MS = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000];
const MICROSECONDS_A_SECOND = 1e6;

export interface ProcessWatch extends Disposable {
  figures(): Promise<ProcessFigures>;
}

/** Measures the event loop until it is disposed of; does not keep the process alive. */
export function watchProcess(): ProcessWatch {
  const delayMs = new Histogram(DELAY_BOUNDS_MS);
  let dueAtMs = performance.now() + TICK_MS;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    delayMs.observe(Math.max(0, nowMs - dueAtMs));
    dueAtMs = nowMs + TICK_MS;
  }, TICK_MS);
  timer.unref();
  return {
    async figures() {
      const cpu = process.cpuUsage();
      return {
        startedAtSeconds: performance.timeOrigin / 1000,
        eventLoopDelayMs: delayMs.snapshot(),
        eventLoopActiveSeconds: performance.eventLoopUtilization().active / 1000,
        memory: process.memoryUsage(),
        cpuUserSeconds: cpu.user / MICROSECONDS_A_SECOND,
        cpuSystemSeconds: cpu.system / MICROSECONDS_A_SECOND,
        openFileDescriptors: await openFileDescriptors(),
      };
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

async function openFileDescriptors(): Promise<number | null> {
  try {
    // One of them is that of the listing itself.
    return (await readdir('/proc/self/fd')).length - 1;
  } catch {
    return null; // No Linux.
  }
}
