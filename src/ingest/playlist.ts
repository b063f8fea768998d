/** Rewrites HLS playlists so that all that they point at is fetched through the relay. */

/** What every HLS playlist begins with, and what ffmpeg knows it by. */
export const PLAYLIST_MARK = '#EXTM3U';

/** Tags without addresses in them, passed on as they are. */
const PLAIN_TAGS: ReadonlySet<string> = new Set([
  ...['EXTM3U', 'EXTINF', 'EXT-X-VERSION', 'EXT-X-TARGETDURATION', 'EXT-X-MEDIA-SEQUENCE', 'EXT-X-PLAYLIST-TYPE'],
  ...['EXT-X-ENDLIST', 'EXT-X-DISCONTINUITY', 'EXT-X-DISCONTINUITY-SEQUENCE', 'EXT-X-BYTERANGE', 'EXT-X-GAP'],
  ...['EXT-X-ALLOW-CACHE', 'EXT-X-INDEPENDENT-SEGMENTS', 'EXT-X-I-FRAMES-ONLY', 'EXT-X-PROGRAM-DATE-TIME'],
]);

/** Tags with a list of attributes, of which URI is an address. */
const ATTRIBUTE_TAGS: ReadonlySet<string> = new Set([
  ...['EXT-X-STREAM-INF', 'EXT-X-I-FRAME-STREAM-INF', 'EXT-X-MEDIA', 'EXT-X-KEY', 'EXT-X-SESSION-KEY', 'EXT-X-MAP'],
  'EXT-X-START',
]);

const ATTRIBUTE = /([A-Z0-9-]+)=(?:"([^"\\]*)"|([^",\s\\]+))/g;

/**
 * `relayed` makes the address to fetch instead from one that the playlist has. Nothing passes that is not understood:
 * unknown tags and comments are dropped, and attribute lists are written anew, because ffmpeg reads them more generously
 * than the standard (unquoted addresses, backslashes), and a difference in reading would be a way around.
 */
export function rewritePlaylist(text: string, relayed: (uri: string) => string): string {
  const lines: string[] = [];
  // ffmpeg ends a line at a zero byte as well.
  for (const raw of text.split(/[\r\n\0]+/)) {
    const line = raw.trim();
    if (line === '') continue;
    if (!line.startsWith('#')) {
      lines.push(relayed(line));
      continue;
    }
    const [, tag = '', value = ''] = /^#([A-Z0-9-]+)(?::(.*))?$/.exec(line) ?? [];
    if (PLAIN_TAGS.has(tag)) lines.push(line);
    else if (ATTRIBUTE_TAGS.has(tag)) lines.push(`#${tag}:${rewriteAttributes(value, relayed)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Longest segment, in seconds (0 where it does not say), and whether it is complete, of a playlist that was rewritten. */
export function lengthsOf(rewritten: string): { readonly targetSeconds: number; readonly hasEnded: boolean } {
  const [, target = '0'] = /^#EXT-X-TARGETDURATION:(\d+)/m.exec(rewritten) ?? [];
  return { targetSeconds: Number(target), hasEnded: /^#EXT-X-ENDLIST/m.test(rewritten) };
}

function rewriteAttributes(list: string, relayed: (uri: string) => string): string {
  const attributes = Array.from(list.matchAll(ATTRIBUTE), ([, name, quoted, bare]) => {
    if (name === 'URI') return `URI="${relayed(quoted ?? bare!)}"`;
    return quoted === undefined ? `${name}=${bare}` : `${name}="${quoted}"`;
  });
  return attributes.join(',');
}
