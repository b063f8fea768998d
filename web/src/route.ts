/** Which view the address names, behind its `#`: a reload or a link comes back to it. */
export type Route =
  | { readonly view: 'streams' }
  | { readonly view: 'stream'; readonly id: string }
  | { readonly view: 'pictures' }
  | { readonly view: 'webcam' };

export function parseRoute(hash: string): Route {
  const [view = '', id = ''] = hash.replace(/^#?\/?/, '').split('/');
  if (view === 'streams' && id !== '') return { view: 'stream', id: decoded(id) };
  if (view === 'pictures' || view === 'webcam') return { view };
  return { view: 'streams' };
}

export function routeHash(route: Route): string {
  switch (route.view) {
    case 'streams':
      return '#/';
    case 'stream':
      return `#/streams/${encodeURIComponent(route.id)}`;
    case 'pictures':
    case 'webcam':
      return `#/${route.view}`;
  }
}

/** Whatever somebody typed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
