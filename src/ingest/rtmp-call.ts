/** What an RTMP server is told that it was called by. */
import { type ParsedAddress, urlHost } from './address-syntax.ts';

/**
 * The address of the application, by the server's own name: ffmpeg, which knows the pinned address or the relay alone, would
 * name those, and servers for several names (virtual hosts, CDNs) choose by it.
 */
export function calledUrl({ scheme, host, port, path, query }: ParsedAddress): string {
  return `${scheme}://${urlHost(host)}:${port}/${applicationOf(path + query)}`;
}

/** The part of a path, from its slash on and with its query, that ffmpeg takes for the application (rtmpproto.c, rtmp_open). */
export function applicationOf(path: string): string {
  if (path.includes('?') && path.includes('slist=')) return path.slice(1);
  if (path.startsWith('/ondemand/')) return 'ondemand';
  const first = path.indexOf('/', 1);
  if (first < 0) return path.slice(1);
  const second = path.indexOf('/', first + 1);
  const colon = path.indexOf(':', first + 1);
  // An instance of an application is a second part; one with a colon before its slash is a name to play.
  const isInstance = second >= 0 && (colon < 0 || colon > second);
  return path.slice(1, isInstance ? second : first);
}
