import { once } from 'node:events';
import { get, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fetched, httpSource, openAddress } from './fixtures/http-source.ts';

/** Has the relay's own timers, by which it finds a source silent, run when the test says so and not when it is busy. */
function holdTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
}
afterEach(() => {
  vi.useRealTimers();
});

describe('the relay', () => {
  it('knows nobody without its token', async () => {
    await using source = await httpSource((_, response) => response.end('x'));
    await using opened = await openAddress(`${source.origin}/a`);
    const { origin, pathname } = new URL(opened.inputUrl);
    for (const path of ['/', '/x', `/${'A'.repeat(22)}/${pathname.split('/')[2]}/media`, '//', `/x${pathname}`]) {
      expect((await fetched(origin + path)).status).toBe(404);
    }
    expect((await fetched(opened.inputUrl, { method: 'HEAD' })).status).toBe(404);
    expect(source.requests).toEqual([]);
  });

  it('asks the source so many things at once and no more', async () => {
    const open: NodeJS.EventEmitter[] = [];
    await using source = await httpSource((_, response) => {
      open.push(response);
      response.write('G'.repeat(5000));
    });
    await using opened = await openAddress(`${source.origin}/a`);
    const heads = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const [response] = (await once(get(opened.inputUrl, { agent: false }), 'response')) as [IncomingMessage];
        response.on('error', () => {}).resume();
        return response.statusCode;
      }),
    );
    expect(heads.filter((status) => status === 200).length).toBe(32);
    expect(heads.filter((status) => status === 503).length).toBe(8);
    expect(open.length).toBe(32);
  });

  it('shows nothing of the address among the arguments of ffmpeg', async () => {
    await using opened = await openAddress('http://user:hunter2@127.0.0.1:8080/path?token=secret');
    expect(opened.inputUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{22}\/source\/media$/);
  });

  it.each([404, 401, 503])('tells ffmpeg that the source says %i', async (status) => {
    await using source = await httpSource((_, response) => response.writeHead(status).end('why'));
    await using opened = await openAddress(`${source.origin}/a`);
    expect(await fetched(opened.inputUrl)).toMatchObject({ status, body: '' });
  });

  it('says so when the source is not there, does not answer, or sends something compressed', async () => {
    const gone = await httpSource(() => {});
    await gone[Symbol.asyncDispose]();
    await using silent = await httpSource(() => {});
    await using zipped = await httpSource((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
    });
    for (const { origin } of [gone, silent, zipped]) {
      await using opened = await openAddress(`${origin}/a`, { answerTimeoutSeconds: 0.2 });
      expect((await fetched(opened.inputUrl)).status).toBe(502);
      expect(opened.refusal).toBeUndefined();
    }
  });

  it('breaks off when the source breaks off in the middle', async () => {
    await using source = await httpSource((_, response) => {
      response.write('G'.repeat(5000), () => response.destroy());
    });
    await using opened = await openAddress(`${source.origin}/breaks`);
    const { status, body, complete } = await fetched(opened.inputUrl).catch(() => ({
      status: 0,
      body: '',
      complete: false,
    }));
    expect([0, 200]).toContain(status);
    expect(body.length).toBeLessThanOrEqual(5000);
    expect(complete).toBe(false);
    expect(opened.brokeOff).toBe(true);
  });

  it('breaks off when the source falls silent in the middle', async () => {
    holdTimers();
    await using source = await httpSource((_, response) => response.write('G'.repeat(5000)));
    await using opened = await openAddress(`${source.origin}/silent`, { idleTimeoutSeconds: 10 });
    const [response] = (await once(get(opened.inputUrl, { agent: false }), 'response')) as [IncomingMessage];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('error', () => {});
    const closed = once(response, 'close').catch(() => {});
    while (bytes < 5000) await sleep(1);
    vi.advanceTimersByTime(9_000);
    await sleep(50);
    expect(opened.brokeOff).toBe(false);
    vi.advanceTimersByTime(2_000);
    await closed;
    expect([response.statusCode, response.complete, opened.brokeOff]).toEqual([200, false, true]);
  });

  it('gives up a source that changes the protocol instead of answering', async () => {
    await using source = await httpSource(({ socket }) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
    });
    await using opened = await openAddress(`${source.origin}/a`);
    expect((await fetched(opened.inputUrl)).status).toBe(502);
  });

  it('reads from the source no faster than ffmpeg reads from it', async () => {
    holdTimers();
    let written = 0;
    await using source = await httpSource((_, response) => {
      const block = Buffer.alloc(1 << 20, 'G');
      const more = (): void => {
        do written += block.length;
        while (response.write(block));
      };
      response.on('drain', more);
      more();
    });
    await using opened = await openAddress(`${source.origin}/endless.ts`, { idleTimeoutSeconds: 10 });
    const [response] = (await once(get(opened.inputUrl), 'response')) as [IncomingMessage];
    // The buffers of four sockets fill; then nothing moves, for longer than a silent source is borne.
    let before = -1;
    for (let steady = 0; steady < 8; ) {
      await sleep(50);
      steady = written === before ? steady + 1 : 0;
      before = written;
    }
    expect(written).toBeLessThan(64 << 20);
    vi.advanceTimersByTime(60_000);
    await sleep(50);
    response.resume();
    while (written < before + (8 << 20)) await once(response, 'data');
    response.destroy();
  });

  it('leaves the source when ffmpeg leaves', async () => {
    await using source = await httpSource((_, response) => response.write('G'.repeat(5000)));
    await using opened = await openAddress(`${source.origin}/live.ts`);
    const arrived = once(source.server, 'request');
    const reading = request(opened.inputUrl)
      .on('error', () => {})
      .end();
    const [, response] = (await arrived) as [IncomingMessage, NodeJS.EventEmitter];
    const left = once(response, 'close');
    reading.destroy();
    await left;
  });
});

describe('the end of a relay', () => {
  it('breaks off what is under way on both sides and frees its port, also when asked twice', async () => {
    await using source = await httpSource((_, response) => response.write('G'.repeat(5000)));
    const opened = await openAddress(`${source.origin}/live.ts`);
    const reading = fetched(opened.inputUrl).then(
      ({ complete }) => complete,
      () => false,
    );
    const [, response] = (await once(source.server, 'request')) as [IncomingMessage, NodeJS.EventEmitter];
    const left = once(response, 'close');
    await Promise.all([opened[Symbol.asyncDispose](), opened[Symbol.asyncDispose]()]);
    await opened[Symbol.asyncDispose]();
    await left;
    expect(await reading).toBe(false);
    await expect(fetched(opened.inputUrl)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('comes while the source has not answered, or while a name is looked up', async () => {
    await using source = await httpSource(() => {});
    const opened = await openAddress(`${source.origin}/live.ts`);
    const reading = fetched(opened.inputUrl).catch(() => null);
    await once(source.server, 'request');
    await opened[Symbol.asyncDispose]();
    await reading;

    let ask = (): void => {};
    const asked = new Promise<void>((resolve) => (ask = resolve));
    const stuck = await openAddress(`${source.origin}/list`, {
      resolve: () => {
        ask();
        return new Promise(() => {});
      },
    });
    const { origin, pathname } = new URL(stuck.inputUrl);
    const elsewhere = Buffer.from('http://other.example/').toString('base64url');
    const waiting = fetched(`${origin}/${pathname.split('/')[1]}/${elsewhere}/media`).catch(() => null);
    await asked;
    await stuck[Symbol.asyncDispose]();
    await waiting;
  });

  it('leaves no handle behind', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name.includes('TCP')).length;
    await using source = await httpSource((_, response) => response.write('G'.repeat(5000)));
    for (let round = 0; round < 20; round += 1) {
      const opened = await openAddress(`${source.origin}/live.ts`);
      const arrived = once(source.server, 'request');
      const reading = fetched(opened.inputUrl).catch(() => null);
      const [, response] = (await arrived) as [IncomingMessage, NodeJS.EventEmitter];
      const left = once(response, 'close');
      await opened[Symbol.asyncDispose]();
      await Promise.all([reading, left]);
    }
    // The server of the test, and its connections that are just closing.
    await new Promise((resolve) => setImmediate(resolve));
    expect(process.getActiveResourcesInfo().filter((name) => name.includes('TCP')).length).toBeLessThanOrEqual(
      before + 4,
    );
  });
});
