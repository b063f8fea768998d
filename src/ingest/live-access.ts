/** What ffmpeg may use to read from an address, by the kind of the address. */
import type { RtspTransport } from '../domain.ts';
import type { AddressKind } from './address-gate.ts';
import { CODEC_ARGUMENTS } from './decoders.ts';
import { deviceFormat } from './device.ts';

/** So long a source may be silent before ffmpeg gives up by itself: long after our own watchdog, which may have died. */
const ORPHAN_TIMEOUT_US = '120000000';

interface Access {
  /** Protocols by ffmpeg's names; whatever a source points at is opened by these or not at all. */
  readonly protocols: string;
  /** Demuxers by ffmpeg's names, those inside a playlist or a packet stream included. */
  readonly formats: string;
  /** Further options of the input. */
  readonly options: readonly string[];
}

const ACCESS: Readonly<Record<AddressKind, Access>> = {
  RTSP: {
    protocols: 'tcp,udp,rtp,tls',
    formats: 'rtsp,rtp,sdp,mpegts',
    options: ['-timeout', ORPHAN_TIMEOUT_US],
  },
  RTMP: {
    protocols: 'rtmp,rtmps,tcp,tls',
    formats: 'flv,live_flv',
    options: ['-rw_timeout', ORPHAN_TIMEOUT_US],
  },
  SRT: { protocols: 'srt', formats: 'mpegts', options: ['-rw_timeout', ORPHAN_TIMEOUT_US] },
  // A burst that does not fit costs packets, not the connection.
  UDP: { protocols: 'udp', formats: 'mpegts', options: ['-overrun_nonfatal', '1', '-timeout', ORPHAN_TIMEOUT_US] },
  HTTP: {
    protocols: 'http,https,tcp,tls,crypto',
    formats: 'hls,mpegts,mov,matroska,flv,live_flv,mpjpeg,aac,mp3',
    // The relay follows redirects in ffmpeg's place; to allow none here is an option that 7.0 does not know.
    options: ['-rw_timeout', ORPHAN_TIMEOUT_US],
  },
  // A device is opened by its demuxer itself, so there is no protocol to allow. Nothing else than the demuxer of cameras
  // looks at the name, which keeps it from being a file. An orphan ends at its next frame, which nobody takes.
  DEVICE: { protocols: 'none', formats: deviceFormat(), options: ['-f', deviceFormat()] },
};

const RTSP_TRANSPORT_ARGUMENTS: Readonly<Record<RtspTransport, readonly string[]>> = {
  // TCP first, which passes firewalls and loses nothing; UDP where the server refuses it.
  AUTO: ['-rtsp_flags', 'prefer_tcp'],
  TCP: ['-rtsp_transport', 'tcp'],
  UDP: ['-rtsp_transport', 'udp'],
};

/** Options before the input: white-lists, transport, and a time-out for an ffmpeg that has lost its server. */
export function accessArguments(kind: AddressKind, rtspTransport: RtspTransport): readonly string[] {
  const { protocols, formats, options } = ACCESS[kind];
  const transport = kind === 'RTSP' ? RTSP_TRANSPORT_ARGUMENTS[rtspTransport] : [];
  return ['-protocol_whitelist', protocols, '-format_whitelist', formats, ...CODEC_ARGUMENTS, ...options, ...transport];
}
