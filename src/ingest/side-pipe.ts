/** A look at the first record of ffmpeg's metadata pipe, which leaves it unread. */
import type { Readable } from 'node:stream';

const FIRST_PTS = /^frame:[^\n]*?\bpts:(-?\d+|NOPTS)\s[^\n]*\n/;

/** Ticks of the first frame, or `null` when the pipe ends before one. Puts back what it has read. */
export async function firstTicks(pipe: Readable): Promise<number | null> {
  let text = '';
  for (;;) {
    const chunk = pipe.read() as Buffer | null;
    if (chunk !== null) {
      text += chunk.toString('latin1');
      const pts = FIRST_PTS.exec(text)?.[1];
      if (pts === undefined) continue;
      pipe.unshift(Buffer.from(text, 'latin1'));
      return pts === 'NOPTS' ? null : Number(pts);
    }
    if (pipe.readableEnded || pipe.destroyed) return null;
    await moreOrEnd(pipe);
  }
}

function moreOrEnd(pipe: Readable): Promise<void> {
  return new Promise((resolve) => {
    const events = ['readable', 'end', 'close', 'error'] as const;
    const settle = (): void => {
      for (const event of events) pipe.off(event, settle);
      resolve();
    };
    for (const event of events) pipe.on(event, settle);
  });
}
