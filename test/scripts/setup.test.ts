/** The set-up in a copy of this clone, whose packages are the same files. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../pipeline/support.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = [
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'codegen.ts', 'schema.graphql', 'prisma.config.ts'],
  ...['prisma', 'scripts', 'src/generated', 'web', 'node_modules/.package-lock.json', 'node_modules/.circumplex'],
];

let clone: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  clone = await temporaryFolder();
  await mkdir(join(clone.path, 'node_modules'));
  for (const path of COPIED) await cp(join(ROOT, path), join(clone.path, path), { recursive: true });
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    // The stamps and what vite keeps are the copy's own.
    if (name.startsWith('.') && name !== '.bin') continue;
    await symlink(join(ROOT, 'node_modules', name), join(clone.path, 'node_modules', name));
  }
  // Whoever runs this file alone may have changed the page since.
  await setUp();
});
afterAll(() => clone[Symbol.asyncDispose]());

/** What it says. */
async function setUp(environment: Record<string, string> = {}): Promise<string> {
  const env = { ...process.env, ...environment };
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/setup.mjs'], { cwd: clone.path, env });
  return stdout;
}

function at(path: string): string {
  return join(clone.path, path);
}

async function scriptOfPage(): Promise<string> {
  const names = await readdir(at('web/dist/assets'));
  return readFile(at(`web/dist/assets/${names.find((name) => name.endsWith('.js'))}`), 'utf8');
}

describe('the set-up', () => {
  test('says and does nothing when nothing is missing', async () => {
    expect(await setUp()).toBe('');
  });

  test('builds the page where it is missing, the same each time and whatever NODE_ENV says', async () => {
    const built = await scriptOfPage();
    await rm(at('web/dist'), { recursive: true });
    expect(await setUp({ NODE_ENV: 'development' })).toBe('setup: building the page\n');
    expect(await scriptOfPage()).toBe(built);
    expect(await setUp()).toBe('');
  });

  test('builds the page again when a file of it changes, comes or goes', async () => {
    const marked = 'document.title = "marked";\n';
    const main = await readFile(at('web/src/main.tsx'), 'utf8');
    await writeFile(at('web/src/main.tsx'), `${main}${marked}`);
    expect(await setUp()).toBe('setup: building the page\n');
    expect(await scriptOfPage()).toContain('marked');
    await writeFile(at('web/public/new.svg'), '<svg xmlns="http://www.w3.org/2000/svg" />');
    expect(await setUp()).toBe('setup: building the page\n');
    expect(await readdir(at('web/dist'))).toContain('new.svg');
    await rm(at('web/public/new.svg'));
    expect(await setUp()).toBe('setup: building the page\n');
    expect(await readdir(at('web/dist'))).not.toContain('new.svg');
  });

  test('generates the types of server and page when one of them is missing or an operation changes', async () => {
    await rm(at('web/src/generated/graphql.ts'));
    expect(await setUp()).toBe('setup: generating the types of the schema\n');
    const operations = await readFile(at('web/src/server/operations.graphql'), 'utf8');
    await writeFile(at('web/src/server/operations.graphql'), `${operations}\nquery Added { engine { name } }\n`);
    expect(await setUp()).toBe('setup: generating the types of the schema\nsetup: building the page\n');
    expect(await readFile(at('web/src/generated/graphql.ts'), 'utf8')).toContain('AddedQuery');
  });

  test('leaves no half-built page behind when the page cannot be built', async () => {
    await writeFile(at('web/src/main.tsx'), 'import "./nowhere.ts";\n');
    await expect(setUp()).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('nowhere.ts') });
    expect(await readdir(at('web'))).not.toContain('dist');
  });
});
