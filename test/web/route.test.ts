import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseRoute, routeHash } from '../../web/src/route.ts';

test('every view comes back from its address', () => {
  const routes = [{ view: 'streams' }, { view: 'pictures' }, { view: 'webcam' }] as const;
  for (const route of routes) expect(parseRoute(routeHash(route))).toEqual(route);
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'binary' }), (id) => {
      fc.pre(isWellFormed(id));
      expect(parseRoute(routeHash({ view: 'stream', id }))).toEqual({ view: 'stream', id });
    }),
  );
});

test('whatever else is typed shows the streams', () => {
  for (const hash of ['', '#', '#/', '#/streams', '#/streams/', '#/elsewhere/1', 'x']) {
    expect(parseRoute(hash)).toEqual({ view: 'streams' });
  }
  expect(parseRoute('#/streams/%')).toEqual({ view: 'stream', id: '%' });
});

function isWellFormed(text: string): boolean {
  try {
    return encodeURIComponent(text) !== '';
  } catch {
    return false;
  }
}
