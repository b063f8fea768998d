import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeVideo, temporaryFolder } from '../pipeline/support.ts';
import { processesNaming, start } from './support.ts';

const FRAMES = 80;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

async function serve(dataDir: string) {
  const running = start(['serve', '--port', '0', '--data-dir', dataDir], { LOG_LEVEL: 'warn' });
  const [line] = (await once(createInterface(running.child.stdout), 'line')) as [string];
  return { ...running, url: line.split(' ').at(-1)! };
}

async function ask<T>(url: string, query: string, variables: Record<string, unknown>): Promise<T> {
  const body = JSON.stringify({ query, variables });
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { data, errors } = (await response.json()) as { data: T; errors?: unknown };
  expect(errors).toBeUndefined();
  return data;
}

interface StreamNow {
  readonly stream: { readonly status: string; readonly progress: { readonly framesDone: number } };
}

/** Asks again and again until the stream is as wanted. */
async function until(
  url: string,
  id: string,
  wanted: (stream: StreamNow['stream']) => boolean,
): Promise<StreamNow['stream']> {
  for (;;) {
    const query = 'query ($id: ID!) { stream(id: $id) { status progress { framesDone } } }';
    const { stream } = await ask<StreamNow>(url, query, { id });
    if (wanted(stream)) return stream;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('a server that is killed in the middle of a video', () => {
  it('goes on with it at the next start and ends with every frame once', async () => {
    const video = await makeVideo(join(folder.path, 'video.mp4'), { frames: FRAMES });
    const dataDir = join(folder.path, 'data');
    const first = await serve(dataDir);
    const upload = await fetch(new URL('/media', first.url), { method: 'PUT', body: await readFile(video) });
    const { id: mediaId } = (await upload.json()) as { id: string };
    const mutation = 'mutation ($input: AnalyzeVideoInput!) { analyzeVideo(input: $input) { id } }';
    const input = { mediaId, name: 'a video' };
    const { analyzeVideo } = await ask<{ analyzeVideo: { id: string } }>(first.url, mutation, { input });
    const { id } = analyzeVideo;
    await until(first.url, id, ({ progress }) => progress.framesDone >= 20);
    first.child.kill('SIGKILL');
    await first.exited;

    const second = await serve(dataDir);
    expect(await until(second.url, id, ({ status }) => status !== 'RUNNING' && status !== 'QUEUED')).toEqual({
      status: 'COMPLETED',
      progress: { framesDone: FRAMES },
    });
    const query =
      'query ($id: ID!) { stream(id: $id) { frames(first: 100) { edges { node { sequence ptsSeconds } } } } }';
    const { stream } = await ask<{
      stream: { frames: { edges: { node: { sequence: number; ptsSeconds: number } }[] } };
    }>(second.url, query, { id });
    const frames = stream.frames.edges.map(({ node }) => node);
    expect(frames.map(({ sequence }) => sequence)).toEqual([...Array(FRAMES).keys()]);
    expect(frames.map(({ ptsSeconds }) => Math.round(ptsSeconds * 25))).toEqual([...Array(FRAMES).keys()]);
    second.child.kill('SIGTERM');
    expect(await second.exited).toEqual({ code: 0, signal: null });
    expect(await processesNaming(dataDir)).toEqual([]);
  });
});
