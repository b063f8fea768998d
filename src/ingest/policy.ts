/** What ffmpeg and ffprobe may open: files of this machine in a few containers, and nothing that points elsewhere. */
import { CODEC_ARGUMENTS } from './decoders.ts';

/**
 * The one protocol. Playlists and reference tracks inside an innocent-looking file could otherwise make ffmpeg fetch
 * addresses or read other files through `concat:`, `subfile:` or `http:`.
 */
const PROTOCOL_WHITELIST = 'file';

/**
 * Demuxers by ffmpeg's names; `mov` is also MP4, M4V and 3GP, `matroska` also WebM, `asf` also WMV. None of them opens a
 * second file (`mov` follows external references only when told to, and it is not).
 */
const FORMAT_WHITELIST = 'mov,matroska,avi,mpegts,mpeg,flv,ogg,asf';

/** The lists as ffmpeg and ffprobe take them, before the input they are about. */
export const WHITELIST_ARGUMENTS: readonly string[] = [
  '-protocol_whitelist',
  PROTOCOL_WHITELIST,
  '-format_whitelist',
  FORMAT_WHITELIST,
  ...CODEC_ARGUMENTS,
];

/** Bounds what a file can make the decoder allocate for one picture: 8192 x 8192, twice the pixels of 8K video. */
export const MAX_DECODED_PIXELS = 8192 * 8192;

/** Bytes from the beginning of a file that {@link kindOfHead} wants to see. */
export const HEAD_BYTES = 1024;

/**
 * What the first bytes look like: a text that points at other files or addresses, one of the containers that are
 * opened, or something else. A rough look for the right error; the white-lists decide what is opened.
 */
export type HeadKind = 'EMPTY' | 'POINTER' | 'CONTAINER' | 'OTHER';

const POINTERS =
  /^\s*(#EXTM3U|ffconcat|\[playlist\]|\[reference\]|v=0\s|<\?xml[\s\S]*<(MPD|SmoothStreamingMedia|smil)|<MPD|<smil)/i;

const ISO_BOXES: ReadonlySet<string> = new Set(['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip', 'styp']);

const SIGNATURES: readonly string[] = [
  '\x1a\x45\xdf\xa3', // Matroska, WebM
  'FLV\x01',
  'OggS',
  '\x30\x26\xb2\x75\x8e\x66\xcf\x11', // ASF, WMV
  '\x00\x00\x01\xba', // MPEG program stream
];

const TS_PACKET_BYTES = 188;

export function kindOfHead(head: Uint8Array): HeadKind {
  if (head.length === 0) return 'EMPTY';
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
  if (POINTERS.test(text.replace(/^\xef\xbb\xbf/, ''))) return 'POINTER';
  if (ISO_BOXES.has(text.slice(4, 8))) return 'CONTAINER';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'AVI ') return 'CONTAINER';
  if (SIGNATURES.some((signature) => text.startsWith(signature))) return 'CONTAINER';
  if (text[0] === 'G' && text[TS_PACKET_BYTES] === 'G' && text[2 * TS_PACKET_BYTES] === 'G') return 'CONTAINER';
  return 'OTHER';
}

/** Demuxers that read a list of other files or addresses, or talk to the network. */
const POINTING_FORMATS: ReadonlySet<string> = new Set([
  'hls',
  'applehttp',
  'concat',
  'dash',
  'sdp',
  'rtsp',
  'rtp',
  'imf',
]);
const AUDIO_FORMATS: ReadonlySet<string> = new Set([
  'mp3',
  'wav',
  'w64',
  'flac',
  'aac',
  'aiff',
  'ac3',
  'eac3',
  'amr',
  'au',
  'caf',
  'ape',
  'dts',
  'tta',
  'wv',
]);

/** Why a format that ffmpeg recognised is not opened. `format` is its name, or several joined by commas. */
export function kindOfRefusedFormat(format: string): 'POINTER' | 'AUDIO' | 'OTHER' {
  const names = format.split(',');
  if (names.some((name) => POINTING_FORMATS.has(name))) return 'POINTER';
  return names.some((name) => AUDIO_FORMATS.has(name)) ? 'AUDIO' : 'OTHER';
}
