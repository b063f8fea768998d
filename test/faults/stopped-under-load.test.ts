import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { processesNaming } from '../cli/support.ts';
import { makeVideo, temporaryFolder } from '../pipeline/support.ts';
import { pathOfSlowFfmpeg } from '../support/slow-ffmpeg.ts';
import { faultRounds, faultsOf, Observer, openStream, type SeenFrame } from './fixtures/observer.ts';
import { ServerProcess } from './fixtures/server-process.ts';
import { httpServer, motionJpeg, smallPhotograph } from './fixtures/sources.ts';

const SHUTDOWN_SECONDS = 10;
const VIDEO_FRAMES = 150;
const SUBSCRIBERS = 10;
const SETTINGS = { SHUTDOWN_SECONDS: String(SHUTDOWN_SECONDS), RECONNECT_MAX_SECONDS: '0.5' };

/** An upload that never comes to its end by itself. */
async function endlessUpload(server: ServerProcess): Promise<{ readonly ended: Promise<unknown> }> {
  const sent = request(new URL('/media', server.url), { method: 'PUT', headers: { 'content-length': 1e9 } });
  const ended = new Promise((resolve) => {
    sent.once('response', (response) => resolve(response.statusCode)).once('error', (error) => resolve(error));
  });
  sent.write(Buffer.alloc(100_000));
  const timer = setInterval(() => sent.write(Buffer.alloc(10_000)), 50);
  void ended.then(() => clearInterval(timer));
  await once(sent, 'drain').catch(() => undefined);
  return { ended };
}

async function startVideo(server: ServerProcess, path: string): Promise<string> {
  const upload = await server.request('/media', { method: 'PUT', body: await readFile(path) });
  const { id: mediaId } = (await upload.json()) as { id: string };
  const { data } = await server.query('mutation ($id: ID!) { analyzeVideo(input: { mediaId: $id }) { id } }', {
    id: mediaId,
  });
  return data.analyzeVideo.id as string;
}

/** What a frame is told by. */
const essence = ({ sequence, ptsSeconds }: SeenFrame) => ({ sequence, ptsSeconds });

test(
  'SIGTERM under load ends the server within its limit; what was published is stored, and everything goes on at the next start',
  async () => {
    await using folder = await temporaryFolder();
    const video = await makeVideo(join(folder.path, 'video.mp4'), { frames: VIDEO_FRAMES });
    const PATH = await pathOfSlowFfmpeg(folder.path);
    const jpeg = await smallPhotograph();
    await using source = await httpServer((_, response) => void motionJpeg(response, jpeg, 25));
    for (let round = 0; round < faultRounds(1); round += 1) {
      const dataDir = join(folder.path, `data-${round}`);
      // The video is still in its middle when the server ends, however fast the machine is.
      await using server = await ServerProcess.start(dataDir, { ...SETTINGS, PATH });
      const liveId = await openStream(server, `${source.url}/video`, { framesPerSecond: 25 });
      const fileId = await startVideo(server, video);
      const uploads = await Promise.all([endlessUpload(server), endlessUpload(server)]);
      const watchers = Array.from({ length: SUBSCRIBERS }, () => new Observer(server, liveId));
      await using fileWatcher = new Observer(server, fileId);
      await Promise.all([...watchers, fileWatcher].map((watcher) => watcher.more(10)));
      expect(await server.metric('circumplex_uploads_running')).toBe(2);

      const readers = (await server.children()).flatMap((words) => /http:\/\/127\.0\.0\.1:\d+\S*/.exec(words) ?? []);
      expect(readers).toHaveLength(1);
      const begunAtMs = performance.now();
      server.kill('SIGTERM');
      expect(await server.exited).toEqual({ code: 0, signal: null });
      expect(performance.now() - begunAtMs).toBeLessThan(SHUTDOWN_SECONDS * 1000);
      expect(server.log).not.toContain('the hard way');
      await Promise.all(uploads.map(({ ended }) => ended));
      for (const word of [dataDir, ...readers]) await expect.poll(() => processesNaming(word)).toEqual([]);

      await using next = await ServerProcess.start(dataDir, SETTINGS);
      await using live = new Observer(next, liveId);
      await using file = new Observer(next, fileId);
      const most = Math.max(...watchers.map(({ frames }) => frames.length));
      await live.until('new frames', () => live.frames.length >= most + 3);
      for (const { frames } of watchers) {
        expect(faultsOf(frames)).toEqual([]);
        expect(live.frames.slice(0, frames.length).map(essence)).toEqual(frames.map(essence));
      }
      expect(faultsOf(live.frames)).toEqual([]);
      expect(fileWatcher.frames.length).toBeLessThan(VIDEO_FRAMES);
      await file.becomes('COMPLETED');
      await file.until('all frames', () => file.frames.length >= VIDEO_FRAMES);
      expect(faultsOf(file.frames)).toEqual([]);
      expect(file.frames).toHaveLength(VIDEO_FRAMES);
      next.kill('SIGTERM');
      expect(await next.exited).toEqual({ code: 0, signal: null });
    }
  },
  180_000 + faultRounds(1) * 120_000,
);
