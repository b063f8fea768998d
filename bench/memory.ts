/**
 * Does memory grow with the number of videos? Twenty jobs of 1,000 frames each go through the pipeline, several side by
 * side; prints the resident memory of the process (workers included, ffmpeg not) when the 2nd, the 10th and the 20th job
 * has ended, and the ratios to the 2nd. Target: the ratios stay below 1.10.
 *
 *     npx tsx bench/memory.ts [--jobs 20] [--frames 1000] [--side-by-side 3]
 */
import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { startPipeline } from '../src/start-pipeline.ts';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '20' },
    frames: { type: 'string', default: '1000' },
    'side-by-side': { type: 'string', default: '3' },
  },
});
const jobs = Number(values.jobs);
const checkpoints = new Set([2, Math.ceil(jobs / 2), jobs]);
const MEBIBYTE = 1024 * 1024;

const folder = await mkdtemp(join(tmpdir(), 'circumplex-memory-'));
try {
  const video = join(folder, 'video.mp4');
  makeVideo(video, Number(values.frames));
  const environment = { ...process.env, DATA_DIR: join(folder, 'data'), CONCURRENT_JOBS: values['side-by-side'] };
  const config = loadConfig({ environment });
  await using running = await startPipeline(config, { log: createLog({ level: 'warn' }) });
  const { pipeline } = running;

  let jobsDone = 0;
  let firstBytes = 0;
  async function finishJob(): Promise<void> {
    const { id: uploadId } = await pipeline.uploads.receive(createReadStream(video));
    const stream = await pipeline.analyzeVideo({ uploadId, name: 'bench', sampling: { kind: 'EVERY_FRAME' } });
    for await (const { status } of pipeline.subscribeStatus(stream.id)) {
      if (status === 'FAILED') throw new Error('a job failed; the log above says why');
    }
    jobsDone += 1;
    if (!checkpoints.has(jobsDone)) return;
    const bytes = process.memoryUsage.rss();
    if (firstBytes === 0) firstBytes = bytes;
    console.log(`rss_after_job_${jobsDone}_mib ${(bytes / MEBIBYTE).toFixed(1)}`);
    if (jobsDone > 2) console.log(`ratio_job_${jobsDone}_to_2 ${(bytes / firstBytes).toFixed(3)}`);
  }

  const beganAtMs = performance.now();
  let begun = 0;
  await Promise.all(
    Array.from({ length: Number(values['side-by-side']) }, async () => {
      while (begun < jobs) {
        begun += 1;
        await finishJob();
      }
    }),
  );
  const seconds = (performance.now() - beganAtMs) / 1000;
  console.log(`frames_per_second ${(pipeline.statistics().framesDone / seconds).toFixed(1)}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** A camera that wanders over a photograph of three people: 640x360, 25 frames a second. */
function makeVideo(path: string, frames: number): void {
  const packageFile = createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json');
  const photograph = join(dirname(packageFile), 'demo', 'sample3.jpg');
  // The photograph is decoded and scaled once; then only the window moves.
  const still = `scale=960:-2,loop=loop=${frames}:size=1,setpts=N/25/TB`;
  const wander = "crop=640:360:x='160+60*sin(n/20)':y='75+30*cos(n/30)',setsar=1,format=yuv420p";
  const source = ['-i', photograph, '-vf', `${still},${wander}`, '-frames:v', String(frames), '-r', '25'];
  execFileSync('ffmpeg', ['-loglevel', 'error', '-y', ...source, '-c:v', 'libx264', '-preset', 'ultrafast', path]);
}
