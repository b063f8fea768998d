/** A process for tests to kill: starts a pipeline over a data folder, submits a video, tells of each published frame. */
import { openPipeline, submit } from './support.ts';

const [dataDir, video] = process.argv.slice(2);
const { pipeline } = await openPipeline(dataDir!, { FRAMES_IN_FLIGHT: '4' });
const stream = await submit(pipeline, video!);
process.stdout.write(`${stream.id}\n`);
for await (const { frame } of pipeline.subscribeFrames(stream.id, { afterSequence: -1 })) {
  process.stdout.write(`${frame.sequence}\n`);
}
