/** A process of its own that tries one provider and reports once: `probe FOLDER PROVIDER`, started by providers.ts. */
import { readModelCard, readModelFile } from './card.ts';
import type { ProbeReply, Provider } from './providers.ts';
import { checkNumbers } from './self-check.ts';
import { openSession } from './session.ts';

const [folder = '', provider = ''] = process.argv.slice(2);

async function probe(): Promise<ProbeReply> {
  try {
    const card = await readModelCard(folder);
    const model = await readModelFile(folder, card);
    const session = await openSession({ model, card, provider: provider as Provider });
    await checkNumbers(session, card);
    return { usable: true };
  } catch (thrown) {
    const [firstLine = ''] = String(thrown instanceof Error ? thrown.message : thrown)
      .trim()
      .split('\n');
    // Native messages begin with where in onnxruntime's sources they were raised; nobody who reads ours has use for it.
    return { usable: false, reason: firstLine.replace(/^\/onnxruntime_src\/.*? was false\. /, '').replace(/\.$/, '') };
  }
}

// The parent kills the process once it has the reply; native clean-up of a broken device could hang.
const reply = await probe();
process.send?.(reply);
