/** A bounded fuzz run against a server in a process of its own, and what must hold of the server after it. */
import { join } from 'node:path';
import { settlesWithin } from '../../src/flow/index.ts';
import { ServerProcess } from '../faults/fixtures/server-process.ts';
import { temporaryFolder } from '../pipeline/support.ts';
import { type Kind, kindsOf } from './kinds.ts';
import { randomOf } from './random.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Inputs of all kinds together. */
  readonly runs: number;
  /** Only the input of this number. */
  readonly only?: number;
  /** Only inputs of this kind; their numbers then mean others than in a run of all kinds. */
  readonly kind?: string;
}

export interface FuzzReport {
  /** For each kind how often each outcome came. */
  readonly outcomes: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** What must not happen, each with the number of its input. */
  readonly findings: readonly string[];
  readonly levels: { readonly before: Levels; readonly after: Levels };
}

/** What a server has in use. */
export interface Levels {
  readonly fileDescriptors: number;
  /** Still in use after a collection. */
  readonly heldBytes: number;
  readonly rssBytes: number;
  /** ffmpeg and ffprobe. */
  readonly mediaProcesses: number;
}

/** Inputs at work at once: most of the time of many is waiting. */
const SIDE_BY_SIDE = 4;
/** Until caches, buffers and compiled code are there, memory says nothing. */
const WARM_UP_SHARE = 0.2;

export async function runFuzz({ seed, runs, only, kind: wanted }: FuzzOptions): Promise<FuzzReport> {
  await using folder = await temporaryFolder();
  await using server = await ServerProcess.start(join(folder.path, 'data'), {
    // Nothing may be opened: what passes the gate would call strangers.
    ALLOWED_HOSTS: '',
    LOG_LEVEL: 'error',
    MAX_IMAGE_PIXELS: '1000000',
  });
  const kinds = (await kindsOf(server)).filter(({ name }) => wanted === undefined || name === wanted);
  const outcomes = new Map(kinds.map(({ name }) => [name, new Map<string, number>()] as const));
  const findings: string[] = [];

  async function runOne(index: number): Promise<void> {
    const random = randomOf(seed, index);
    const kind = kindOf(kinds, random.below(sumOf(kinds)));
    const running = kind.run(random);
    try {
      if (!(await settlesWithin(running, kind.limitMs))) throw new Error(`no end within ${kind.limitMs} ms`);
      const outcome = await running;
      const counts = outcomes.get(kind.name)!;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    } catch (thrown) {
      const error = thrown as Error;
      findings.push(
        `input ${index}, ${kind.name}: ${error.message}${error.cause === undefined ? '' : ` (${error.cause})`}`,
      );
    }
  }

  async function runAll(from: number, to: number): Promise<void> {
    let next = from;
    await Promise.all(
      Array.from({ length: SIDE_BY_SIDE }, async () => {
        while (next < to) await runOne(next++);
      }),
    );
  }

  const warm = Math.ceil(runs * WARM_UP_SHARE);
  if (only === undefined) await runAll(0, warm);
  const before = await levelsOf(server);
  if (only === undefined) await runAll(warm, runs);
  else await runOne(only);
  const after = await levelsOf(server);
  const { data } = await server.query('{ engine { name } }');
  if (data?.engine?.name !== 'onnxruntime') findings.push('the server answers no more');
  // Whatever the server did not foresee it logs as an error.
  if (server.log !== '') findings.push('the server has logged errors');
  if (findings.length > 0) findings.push(`the end of the server's log: ${server.log.slice(-4000)}`);
  return { outcomes, findings, levels: { before, after } };
}

/** Waits for what is still ending, such as sockets that were cut. */
async function levelsOf(server: ServerProcess): Promise<Levels> {
  let last: Levels | null = null;
  for (let look = 0; look < 20; look += 1) {
    const { heapUsed, external, rss } = await server.do('memory', null);
    const now = {
      fileDescriptors: await server.metric('circumplex_open_file_descriptors'),
      heldBytes: heapUsed + external,
      rssBytes: rss,
      mediaProcesses: (await server.children()).filter((words) => /ff(mpeg|probe)/.test(words)).length,
    };
    if (now.mediaProcesses === 0 && now.fileDescriptors === last?.fileDescriptors) return now;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return last!;
}

function sumOf(kinds: readonly Kind[]): number {
  return kinds.reduce((sum, { share }) => sum + share, 0);
}

function kindOf(kinds: readonly Kind[], place: number): Kind {
  let left = place;
  for (const kind of kinds) {
    if (left < kind.share) return kind;
    left -= kind.share;
  }
  return kinds[0]!;
}

const MEBIBYTE = 1024 * 1024;

/** One line a figure. */
export function reportLines({ seed, runs }: FuzzOptions, report: FuzzReport): readonly string[] {
  const { before, after } = report.levels;
  return [
    `fuzz_seed ${seed}`,
    `fuzz_inputs ${runs}`,
    ...[...report.outcomes].map(([name, counts]) => {
      const sum = [...counts.values()].reduce((one, other) => one + other, 0);
      const told = [...counts]
        .sort(([, one], [, other]) => other - one)
        .map(([outcome, count]) => `${outcome} ${count}`);
      return `fuzz ${name}: ${sum} (${told.join(', ')})`;
    }),
    `fuzz_file_descriptors ${before.fileDescriptors} to ${after.fileDescriptors}`,
    `fuzz_held_megabytes ${(before.heldBytes / MEBIBYTE).toFixed(1)} to ${(after.heldBytes / MEBIBYTE).toFixed(1)}`,
    `fuzz_rss_megabytes ${(before.rssBytes / MEBIBYTE).toFixed(0)} to ${(after.rssBytes / MEBIBYTE).toFixed(0)}`,
    `fuzz_media_processes_left ${after.mediaProcesses}`,
    `fuzz_findings ${report.findings.length}`,
    ...report.findings,
  ];
}
