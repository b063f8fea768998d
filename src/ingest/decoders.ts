/**
 * The decoders that ffmpeg and ffprobe may open. ffmpeg knows some five hundred, most for games, screens and machines of
 * the past; those are the ones that nobody looks after, and the first that a hostile file reaches for.
 */
import { AppError } from '../errors.ts';

/** By ffmpeg's names, with every library that may stand for one; a format has several where ffmpeg was built so. */
const VIDEO: readonly string[] = [
  // Cameras, telephones, browsers, streams.
  ...['h264', 'hevc', 'libdav1d', 'libaom-av1', 'av1', 'vp8', 'libvpx', 'vp9', 'libvpx-vp9', 'mjpeg', 'mpeg4'],
  // Discs, broadcasts, camcorders, editing.
  ...['mpeg1video', 'mpeg2video', 'mpegvideo', 'dvvideo', 'prores', 'dnxhd', 'vc1'],
  // Collections of earlier years: DivX, Windows Media, 3GP, Flash, Ogg.
  ...['msmpeg4v1', 'msmpeg4v2', 'msmpeg4', 'wmv1', 'wmv2', 'wmv3', 'h263', 'h263i', 'h263p', 'flv', 'vp6', 'vp6f'],
  ...['vp3', 'theora'],
  // What laboratories record without a loss, and covers.
  ...['ffv1', 'huffyuv', 'ffvhuff', 'utvideo', 'rawvideo', 'v210', 'png', 'bmp'],
];

/**
 * Sound and subtitles are never asked for, but both programs open the decoders of all tracks to see what they are, and
 * ffprobe refuses a file of which it may not open one.
 */
const SOUND: readonly string[] = [
  ...['aac', 'aac_fixed', 'aac_latm', 'mp3float', 'mp3', 'mp2float', 'mp2', 'mp1float', 'mp1', 'opus', 'libopus'],
  ...['vorbis', 'libvorbis', 'flac', 'alac', 'ac3', 'ac3_fixed', 'eac3', 'dca', 'mlp', 'truehd'],
  ...['wmav1', 'wmav2', 'wmapro', 'wmalossless', 'wmavoice', 'amrnb', 'amrwb', 'libopencore_amrnb'],
  ...['libopencore_amrwb', 'speex', 'libspeex', 'nellymoser', 'gsm', 'gsm_ms', 'qdm2', 'qcelp', 'g726', 'g722'],
  ...['adpcm_ms', 'adpcm_ima_wav', 'adpcm_ima_qt', 'adpcm_swf', 'mace3', 'mace6'],
  ...['pcm_s16le', 'pcm_s16be', 'pcm_s24le', 'pcm_s24be', 'pcm_s32le', 'pcm_s32be', 'pcm_f32le', 'pcm_f32be'],
  ...[
    'pcm_f64le',
    'pcm_f64be',
    'pcm_s8',
    'pcm_u8',
    'pcm_alaw',
    'pcm_mulaw',
    'pcm_bluray',
    'pcm_dvd',
    'pcm_s16le_planar',
  ],
];

const TEXT: readonly string[] = [
  ...['mov_text', 'subrip', 'srt', 'ass', 'ssa', 'text', 'webvtt', 'dvbsub', 'dvdsub', 'pgssub', 'xsub', 'cc_dec'],
  'libzvbi_teletextdec',
];

/** The list as ffmpeg and ffprobe take it, before the input that it is about. */
export const CODEC_ARGUMENTS: readonly string[] = ['-codec_whitelist', [...VIDEO, ...SOUND, ...TEXT].join(',')];

/** The decoder that was wanted and may not be opened, from what ffmpeg or ffprobe complained of; `null` for none. */
export function refusedDecoder(complaints: string): string | null {
  return /Codec \(([\w-]+)\) not on whitelist/.exec(complaints)?.[1] ?? null;
}

/** For a medium with a track that needs a decoder which is not opened. */
export function undecodable(decoder: string, cause: Error): AppError {
  const message = `A track is coded as ${decoder}, which is not decoded; send H.264, H.265, AV1 or VP9, and no other track.`;
  return new AppError('MEDIA_UNSUPPORTED', message, { cause });
}
