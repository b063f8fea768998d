/** Appends frames as fast as it can and prints the sequence of each that is acknowledged, until it is killed. */
import { openStore } from '../../src/store/index.ts';
import { face, frame } from './support.ts';

const [databaseUrl = '', streamId = ''] = process.argv.slice(2);
const store = await openStore({ databaseUrl });
const { lastSequence } = await store.progress(streamId);
for (let sequence = (lastSequence ?? -1) + 1; ; sequence += 3) {
  const frames = [0, 1, 2].map((offset) => frame(streamId, sequence + offset, [face(1), face(2)]));
  await Promise.all(
    frames.map((one) => store.appendFrames([one]).then(() => process.stdout.write(`${one.sequence}\n`))),
  );
}
