/** `circumplex keys` as an operator uses it: before the first start, and beside a server at work. */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../pipeline/support.ts';
import { run, start } from './support.ts';

const KEY = /^cpx_([0-9a-f]{12})_[0-9a-f]{64}\n$/;
const QUERY = `/graphql?query=${encodeURIComponent('{ engine { name } }')}`;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

const keys = (dataDir: string, ...argv: string[]) => run(['keys', ...argv, '--data-dir', dataDir]);

describe('circumplex keys', () => {
  it('makes a key in a folder that is not there yet, and keeps no more of it than its hash', async () => {
    const dataDir = join(folder.path, 'fresh', 'data');
    const made = await keys(dataDir, 'create', 'a dashboard', '--scopes', 'write,read', '--key-open-streams', '3');
    const [text, id] = KEY.exec(made.stdout) ?? [];
    expect([made.code, typeof text]).toEqual([0, 'string']);
    expect(made.stderr).toContain(id);
    const secret = made.stdout.trim().split('_')[2]!;
    expect(made.stderr).not.toContain(secret);
    for (const name of await readdir(dataDir)) {
      expect((await readFile(join(dataDir, name))).includes(secret), name).toBe(false);
    }
    const { stdout: list } = await keys(dataDir, 'list');
    expect(list.split('\n')).toHaveLength(3);
    expect(list).toMatch(new RegExp(`^${id} +a dashboard +read,write +\\S+Z +- +- +openStreams=3$`, 'm'));
    expect(list).not.toContain(secret);

    const revoked = await keys(dataDir, 'revoke', id!);
    expect([revoked.code, revoked.stdout]).toEqual([0, '']);
    expect((await keys(dataDir, 'list')).stdout).toMatch(
      new RegExp(`^${id} +a dashboard +read,write +\\S+Z +- +\\S+Z `, 'm'),
    );
    // Once is enough, and the first time counts.
    expect((await keys(dataDir, 'revoke', id!)).stderr).toBe(revoked.stderr);
  });

  it.each([
    ['no word', [], /keys create NAME/],
    ['another word', ['forget'], /keys create NAME/],
    ['no name', ['create', '--scopes', 'read'], /needs a name/],
    ['a name that would act on a terminal', ['create', 'a\u001b[2J', '--scopes', 'read'], /needs a name/],
    ['no scopes', ['create', 'x'], /read, write, admin/],
    ['a scope that is none', ['create', 'x', '--scopes', 'read,all'], /read, write, admin/],
    ['a scope twice', ['create', 'x', '--scopes', 'read,read'], /read, write, admin/],
    ['a limit that is none', ['create', 'x', '--scopes', 'read', '--key-open-streams', 'many'], /--key-open-streams/],
    ['a format', ['list', '--format', 'csv'], /takes no --format/],
    ['scopes for a list', ['list', '--scopes', 'read'], /Only "keys create"/],
    ['an id that nobody has', ['revoke', '0123456789ab'], /There is no (key|database)/],
  ])('refuses %s in one line', async (_, argv, message) => {
    const { code, stdout, stderr } = await keys(join(folder.path, 'refused'), ...argv);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('does not repeat a whole key that is given for an id', async () => {
    const text = `cpx_0123456789ab_${'e'.repeat(64)}`;
    const { code, stderr } = await keys(folder.path, 'revoke', text);
    expect(code).toBe(1);
    expect(stderr).not.toContain('eeee');
  });

  it('is heard by a server at work within a second or so, and leaves it running', async () => {
    const dataDir = join(folder.path, 'served');
    const { child, exited } = start(['serve', '--port', '0', '--data-dir', dataDir], { LOG_LEVEL: 'warn' });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const url = line.replace('circumplex is ready at ', '');
    const status = async (authorization?: string): Promise<number> =>
      (await fetch(new URL(QUERY, url), authorization === undefined ? {} : { headers: { authorization } })).status;
    const until = async (wanted: number, authorization?: string): Promise<void> => {
      while ((await status(authorization)) !== wanted) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    expect(await status()).toBe(200);
    const { stdout } = await keys(dataDir, 'create', 'first', '--scopes', 'read');
    const authorization = `Bearer ${stdout.trim()}`;
    await until(401);
    expect(await status(authorization)).toBe(200);
    await keys(dataDir, 'revoke', KEY.exec(stdout)![1]!);
    await until(401, authorization);
    child.kill('SIGTERM');
    expect(await exited).toEqual({ code: 0, signal: null });
  });

  it('lets a server listen where others can reach it, which it does not without', async () => {
    const dataDir = join(folder.path, 'open');
    const refused = await run(['serve', '--host', '0.0.0.0', '--port', '0', '--data-dir', dataDir]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^circumplex: HOST 0\.0\.0\.0 .*circumplex keys create NAME.*\(CONFIG_INVALID\)$/m);
    await keys(dataDir, 'create', 'first', '--scopes', 'read');
    const { child, exited } = start(['serve', '--host', '0.0.0.0', '--port', '0', '--data-dir', dataDir]);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    expect(line).toMatch(/^circumplex is ready at http:\/\/0\.0\.0\.0:\d+\/graphql$/);
    child.kill('SIGTERM');
    expect((await exited).code).toBe(0);
  });
});
