/** Whether a file's times run forward from its first packet to its last. */
import { type MediaLimits, UNLIMITED } from './media-limits.ts';
import { MediaProcess } from './media-process.ts';
import { WHITELIST_ARGUMENTS } from './policy.ts';
import { NEW_BEGINNING_TICKS, TICKS_PER_SECOND } from './sampling.ts';

/** Reads some gigabytes; where that is not enough, it costs less to take the times for ones that do not. */
const TIMEOUT_SECONDS = 20;
const NEW_BEGINNING_SECONDS = NEW_BEGINNING_TICKS / TICKS_PER_SECOND;

const REPORT_ARGUMENTS: readonly string[] = [
  ...['-hide_banner', '-v', 'level+error', '-select_streams', 'V:0'],
  ...['-show_entries', 'packet=dts_time', '-of', 'csv=print_section=0'],
];

/**
 * Reads every packet of the video track, decoding none. `false` where recordings were joined, so that a time may stand for
 * two places, and where that could not be found out. Errors: FFMPEG_MISSING, OVERLOADED, ABORTED.
 */
export async function timesRunForward(
  path: string,
  { limits = UNLIMITED, signal }: { readonly limits?: MediaLimits; readonly signal: AbortSignal },
): Promise<boolean> {
  const timeout = AbortSignal.timeout(TIMEOUT_SECONDS * 1000);
  const args = [...REPORT_ARGUMENTS, ...WHITELIST_ARGUMENTS, '-i', `file:${path}`];
  await using ffprobe = await MediaProcess.start('ffprobe', args, {
    limits,
    signal: AbortSignal.any([signal, timeout]),
  });
  let last = Number.NEGATIVE_INFINITY;
  let rest = '';
  for await (const piece of ffprobe.output as AsyncIterable<Buffer>) {
    const lines = (rest + piece.toString('latin1')).split('\n');
    rest = lines.pop()!;
    for (const seconds of lines.map(Number.parseFloat).filter(Number.isFinite)) {
      if (seconds < last - NEW_BEGINNING_SECONDS) return false;
      last = Math.max(last, seconds);
    }
  }
  return (await ffprobe.closed).code === 0 && !timeout.aborted;
}
