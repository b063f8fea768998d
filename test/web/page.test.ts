/** The page in a real browser, where this machine has one: what a user does, with nothing said on the console. */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSample } from '../../scripts/make-sample.ts';
import { photograph, temporaryFolder } from '../pipeline/support.ts';
import { openKeyedServer } from '../support/keyed-server.ts';
import { openServer, type TestServer } from '../support/server.ts';

const BROWSERS = [
  ...[process.env.CHROMIUM_PATH ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'],
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const executablePath = BROWSERS.find((path) => path !== '' && existsSync(path));
if (executablePath === undefined) console.log('The page is not opened: there is no chromium on this machine.');
/** A machine that is busy with other tests takes its time. */
const PATIENCE_MS = 120_000;

describe.runIf(executablePath !== undefined)('the page', () => {
  let browser: Browser;
  let server: TestServer;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let sample: Awaited<ReturnType<typeof makeSample>>;
  beforeAll(async () => {
    // A camera of the browser's own making, which nobody has to allow.
    const camera = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'];
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox', ...camera] });
    folder = await temporaryFolder();
    sample = await makeSample(folder.path);
    server = await openServer();
  });
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  async function openPage(url: string): Promise<AsyncDisposable & { readonly page: Page; readonly said: string[] }> {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const said: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    await page.goto(url);
    return { page, said, [Symbol.asyncDispose]: () => page.close() };
  }

  test('takes a video, shows it with its boxes and its course, and erases it', async () => {
    await using opened = await openPage(new URL('/', server.url).href);
    const { page, said } = opened;
    await page.getByText('None yet.').waitFor();
    await page.setInputFiles('input[name=videos]', sample.video);
    await page.waitForURL(/#\/streams\/./);
    await page.locator('.status.completed').waitFor();
    await page.getByText('150 frames, 420 faces').waitFor();
    await page.getByText('420 faces of 7 tracks').waitFor();

    // The video has four faces at its end, and this is where it is looked at.
    // The chart shows all of it, and not what there was before the end.
    await expect.poll(async () => Number(await page.getByRole('slider').getAttribute('max'))).toBeGreaterThan(5.9);
    const chart = page.locator('.timeline .u-over');
    await chart.scrollIntoViewIfNeeded();
    const { width, height } = (await chart.boundingBox())!;
    await chart.click({ position: { x: width * 0.9, y: height / 2 } });
    await page.locator('.picture svg g').nth(3).waitFor();
    expect(await page.locator('table.faces tbody tr').count()).toBe(4);
    expect(await page.locator('.circumplex svg g').count()).toBe(4);
    // Of a pixel on the line of valence: the chart is a canvas.
    expect(await hasColour(page, [0x0b, 0x57, 0xc2])).toBe(true);

    await page.getByRole('button', { name: '5', exact: true }).click();
    await page.getByText('60 faces of 1 track').waitFor();
    expect(await page.locator('table.faces tbody tr').count()).toBe(1);

    const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('CSV').click()]);
    expect(download.suggestedFilename()).toMatch(/\.csv$/);
    page.on('dialog', (dialog) => void dialog.accept());
    await page.getByRole('button', { name: 'Erase' }).click();
    await page.getByText('None yet.').waitFor();
    expect((await server.query('{ streams { nodes { id } } }')).data.streams.nodes).toEqual([]);
    expect(said).toEqual([]);
  });

  test('scores pictures, says which it cannot, and lists and erases what was kept', async () => {
    await using opened = await openPage(new URL('/#/pictures', server.url).href);
    const { page, said } = opened;
    await page.setInputFiles('input[type=file]', [photograph(3), sample.video]);
    await page.getByText('MEDIA_UNSUPPORTED').waitFor();
    expect(await page.locator('.picture svg g').count()).toBe(3);
    await page.getByText('None.').waitFor();

    await page.getByLabel('keep the estimates').check();
    await page.setInputFiles('input[type=file]', photograph(3));
    await page.getByRole('button', { name: 'sample3.jpg', exact: true }).click();
    await page.getByText('Pictures are never kept').waitFor();
    expect(await page.locator('.kept table.faces tbody tr').count()).toBe(3);
    page.on('dialog', (dialog) => void dialog.accept());
    await page.getByRole('button', { name: 'Erase sample3.jpg' }).click();
    await page.getByText('None.').waitFor();
    expect(said).toEqual([]);
  });

  test('sends a camera, and stops its stream when the page is left', async () => {
    await using opened = await openPage(new URL('/#/webcam', server.url).href);
    const { page, said } = opened;
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText(/^([2-9]|\d{2,}) sent/).waitFor();
    const [stream] = (await server.query('{ streams { nodes { id source status } } }')).data.streams.nodes;
    expect(stream).toMatchObject({ source: 'PUSH', status: 'RUNNING' });
    await page.getByText('Its stream and history').click();
    await page.locator('.status.stopped').waitFor();
    expect(said).toEqual([]);
  });

  test('asks for a key where the server has keys, and forgets it with the tab', async () => {
    await using keyed = await openKeyedServer();
    const key = await keyed.makeKey(['read', 'write']);
    while ((await keyed.as(null).post('{ engine { name } }')).status !== 401);
    await using opened = await openPage(new URL('/', keyed.url).href);
    const { page } = opened;
    const field = page.getByRole('textbox', { name: 'Key' });
    await field.fill(`${key.text}0`);
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('no key of this server').waitFor();
    await field.fill(key.text);
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('None yet.').waitFor();
    const kept = await page.evaluate('JSON.stringify([localStorage.length, sessionStorage.length, document.cookie])');
    expect(kept).toBe('[0,0,""]');
    await page.reload();
    await field.waitFor();
  });
});

/** Whether the chart has a pixel of about this colour: lines are smoothed. */
function hasColour(page: Page, colour: readonly number[]): Promise<boolean> {
  return page.evaluate((wanted) => {
    const canvas = document.querySelector<HTMLCanvasElement>('.timeline canvas')!;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] === 255 && wanted.every((value, index) => Math.abs(data[at + index]! - value) < 64)) return true;
    }
    return false;
  }, colour);
}
