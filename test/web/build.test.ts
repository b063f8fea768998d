/** The page as it was built keeps to the policy that the server sends with it. */
import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

const BUILT = new URL('../../web/dist/', import.meta.url);

test('the page has no script or style of its own text, and names no other place', async () => {
  const html = await readFile(new URL('index.html', BUILT), 'utf8');
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:/i);
  for (const [, attributes, text] of html.matchAll(/<script([^>]*)>([^<]*)/g)) {
    expect([attributes, text]).toEqual([expect.stringContaining('src="/assets/'), '']);
  }
  for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(address).toMatch(/^\/(?!\/)/);
});

test('its styles fetch nothing', async () => {
  const names = (await readdir(new URL('assets/', BUILT))).filter((name) => name.endsWith('.css'));
  for (const name of names) {
    const css = await readFile(new URL(`assets/${name}`, BUILT), 'utf8');
    expect(css).not.toMatch(/@import|url\(\s*["']?(?!["']?(\/assets\/|data:image\/|#))/i);
  }
});

test('the names of its assets change with what they hold, since browsers keep them for a year', async () => {
  const names = await readdir(new URL('assets/', BUILT));
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) expect(name).toMatch(/-[\w-]{8}\.\w+$/);
});
