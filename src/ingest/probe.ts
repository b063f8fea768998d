/** Looks what a file is before anything is decoded. */
import { open } from 'node:fs/promises';
import type { MediaFacts } from '../domain.ts';
import { AppError } from '../errors.ts';
import { refusedDecoder, undecodable } from './decoders.ts';
import { type MediaLimits, UNLIMITED } from './media-limits.ts';
import { aborted, MediaProcess } from './media-process.ts';
import * as policy from './policy.ts';
import { factsOfReport } from './probe-report.ts';

/** A healthy header takes some 50 ms; what needs longer is made to keep us busy. */
const TIMEOUT_SECONDS = 30;
/** A track takes about 2 KB of JSON; files with thousands of tracks are not videos that people send. */
const MAX_REPORT_BYTES = 4 * 1024 * 1024;

export interface ProbeOptions {
  /** The address space of ffprobe; its time is limited in any case. Default no limit. */
  readonly limits?: MediaLimits;
  readonly signal?: AbortSignal;
}

/**
 * Reads a file's header. Width and height are upright and of square pixels, as a player shows them. Errors:
 * MEDIA_UNSUPPORTED (empty, no medium, or a container or coding that is not taken), MEDIA_WITHOUT_VIDEO (also when its
 * only picture is a cover), MEDIA_BLOCKED (a playlist, under whatever name), MEDIA_TOO_COSTLY, MEDIA_DAMAGED, NOT_FOUND,
 * FFMPEG_MISSING, ABORTED.
 */
export async function probeMedia(path: string, options: ProbeOptions = {}): Promise<MediaFacts> {
  const { head, sizeBytes } = await readHead(path);
  if (head === 'EMPTY') throw new AppError('MEDIA_UNSUPPORTED', 'The file is empty.');
  if (head === 'POINTER') throw blocked();

  const timeout = AbortSignal.timeout(TIMEOUT_SECONDS * 1000);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  const args = [...REPORT_ARGUMENTS, ...policy.WHITELIST_ARGUMENTS, '-i', `file:${path}`];
  await using ffprobe = await MediaProcess.start('ffprobe', args, {
    // The time-out ends it before; this one ends an ffprobe that has lost its server.
    limits: { ...(options.limits ?? UNLIMITED), cpuSeconds: TIMEOUT_SECONDS },
    signal,
  });
  const report = await readReport(ffprobe);
  const exit = await ffprobe.closed;
  if (options.signal?.aborted) throw aborted(options.signal);
  const complaints = ffprobe.complaints.text();
  const cause = new Error(`ffprobe: ${complaints}`);
  if (timeout.aborted) {
    throw new AppError('MEDIA_DAMAGED', 'The header of the file could not be read in half a minute.', { cause });
  }
  if (exit.code !== 0) throw ffprobe.limitHit(exit) ?? unreadable(head, complaints, cause);
  return factsOfReport(report, sizeBytes);
}

const REPORT_ARGUMENTS: readonly string[] = [
  '-hide_banner',
  '-v',
  'level+error',
  '-show_format',
  '-show_streams',
  '-of',
  'json',
];

async function readHead(path: string): Promise<{ readonly head: policy.HeadKind; readonly sizeBytes: number }> {
  try {
    await using file = await open(path, 'r');
    const stats = await file.stat();
    if (!stats.isFile()) throw new AppError('MEDIA_UNSUPPORTED', 'It is no file.');
    const { buffer, bytesRead } = await file.read(new Uint8Array(policy.HEAD_BYTES), 0, policy.HEAD_BYTES, 0);
    return { head: policy.kindOfHead(buffer.subarray(0, bytesRead)), sizeBytes: stats.size };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('NOT_FOUND', 'The file is not there or cannot be read.', { cause });
  }
}

async function readReport(ffprobe: MediaProcess): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of ffprobe.output as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_REPORT_BYTES) throw new AppError('MEDIA_UNSUPPORTED', 'The file has too many tracks.');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function unreadable(head: policy.HeadKind, complaints: string, cause: Error): AppError {
  const decoder = refusedDecoder(complaints);
  if (decoder !== null) return undecodable(decoder, cause);
  const refused = /^\[([\w,]+) @ [^\]]*\] .*not on whitelist/im.exec(complaints)?.[1];
  const kind = refused === undefined ? null : policy.kindOfRefusedFormat(refused);
  if (kind === 'POINTER') return blocked(cause);
  if (kind === 'AUDIO') {
    return new AppError('MEDIA_WITHOUT_VIDEO', 'The file has sound alone; send one that shows a picture.', { cause });
  }
  if (head === 'CONTAINER' && kind === null) {
    const message = 'The header of the video is missing or damaged; the file may be cut off.';
    return new AppError('MEDIA_DAMAGED', message, { cause });
  }
  const message = 'The file is no video that can be read; send MP4, MOV, WebM, MKV, AVI or TS.';
  return new AppError('MEDIA_UNSUPPORTED', message, { cause });
}

function blocked(cause?: Error): AppError {
  const message = 'The file is a list that points at other files or addresses; send the video itself.';
  return new AppError('MEDIA_BLOCKED', message, cause === undefined ? {} : { cause });
}
