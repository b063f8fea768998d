import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Prisma } from '../../src/generated/prisma/client.ts';
import { openStore } from '../../src/store/index.ts';
import { frame, streamRecord } from './support.ts';

interface Sqlite {
  prepare(sql: string): { all(...values: unknown[]): Record<string, unknown>[] };
  exec(sql: string): void;
  close(): void;
}
const Database = createRequire(import.meta.url)('better-sqlite3') as new (path: string) => Sqlite;
const MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));
const SCHEMA = fileURLToPath(new URL('../../prisma/schema.prisma', import.meta.url));

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'circumplex-migrate-'));
  path = join(folder, 'test.db');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function openAndClose(options: { migrationsFolder?: string } = {}): Promise<void> {
  const store = await openStore({ databaseUrl: `file:${path}`, ...options });
  await store[Symbol.asyncDispose]();
}

describe('migrations', () => {
  test('make the tables, columns and indexes that the schema names', async () => {
    await openAndClose();
    const database = new Database(path);
    const schema = await readFile(SCHEMA, 'utf8');
    for (const table of Object.values(Prisma.ModelName)) {
      const model = new RegExp(`model ${table} \\{([^}]*)\\}`).exec(schema)![1]!;
      const columns = database.prepare(`PRAGMA table_info("${table}")`).all();
      const scalars = [...model.matchAll(/^ {2}(\w+) +(String|Int|Float|DateTime)(\?)?/gm)];
      expect(columns.map(({ name, notnull }) => [name, notnull === 0])).toEqual(
        scalars.map(([, name, , optional]) => [name, optional === '?']),
      );
      const wanted = [...model.matchAll(/@@index\(\[([^\]]*)\]\)/g)].map(
        ([, names]) => `${table}_${names!.replaceAll(', ', '_')}_idx`,
      );
      const made = database
        .prepare(`SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL`)
        .all(table);
      expect(made.map(({ name }) => name).sort()).toEqual(wanted.sort());
    }
    database.close();
  });

  test('are recorded as Prisma records them, once, however often the store is opened', async () => {
    await openAndClose();
    await openAndClose();
    const database = new Database(path);
    const rows = database.prepare('SELECT * FROM _prisma_migrations').all();
    expect(rows.map(({ migration_name }) => migration_name)).toEqual((await readdir(MIGRATIONS)).sort());
    for (const row of rows) {
      expect(row).toMatchObject({ applied_steps_count: 1, rolled_back_at: null });
      expect(row.checksum).toMatch(/^[0-9a-f]{64}$/);
      expect(row.finished_at).not.toBeNull();
    }
    database.close();
  });

  test('of two stores that open a new database at once are applied once', async () => {
    await Promise.all([openAndClose(), openAndClose(), openAndClose()]);
    const database = new Database(path);
    expect(database.prepare('SELECT * FROM _prisma_migrations').all()).toHaveLength((await readdir(MIGRATIONS)).length);
    database.close();
  });

  test('added later are applied to a database with data, and the data stay', async () => {
    const store = await openStore({ databaseUrl: `file:${path}` });
    await store.createStream(streamRecord('s'));
    await store.appendFrames([frame('s', 0)]);
    await store[Symbol.asyncDispose]();
    const later = await copyOfMigrations();
    await mkdir(join(later, '99990101000000_later'));
    await writeFile(
      join(later, '99990101000000_later', 'migration.sql'),
      'CREATE TABLE "Later" ("id" TEXT);\n-- done\n',
    );
    const again = await openStore({ databaseUrl: `file:${path}`, migrationsFolder: later });
    expect((await again.progress('s')).frames).toBe(1);
    await again[Symbol.asyncDispose]();
    const database = new Database(path);
    expect(database.prepare(`SELECT name FROM sqlite_master WHERE name = 'Later'`).all()).toHaveLength(1);
    database.close();
    // The program without that migration is the older one now.
    await expect(openAndClose()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('99990101000000_later'),
    });
  });

  test('that fail leave nothing of themselves behind', async () => {
    await openAndClose();
    const later = await copyOfMigrations();
    await mkdir(join(later, '99990101000000_broken'));
    await writeFile(
      join(later, '99990101000000_broken', 'migration.sql'),
      'CREATE TABLE "Half" ("id" TEXT);\nCREATE NONSENSE;\n',
    );
    await expect(openAndClose({ migrationsFolder: later })).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await openAndClose();
    const database = new Database(path);
    expect(database.prepare(`SELECT name FROM sqlite_master WHERE name = 'Half'`).all()).toEqual([]);
    database.close();
  });
});

test.each(['postgresql://localhost/x', 'file:', 'nonsense'])(
  'the address %s is CONFIG_INVALID',
  async (databaseUrl) => {
    await expect(openStore({ databaseUrl })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  },
);

test('a folder that does not exist is STORE_FAILED', async () => {
  await expect(openStore({ databaseUrl: `file:${folder}/no/where.db` })).rejects.toMatchObject({
    code: 'STORE_FAILED',
  });
});

async function copyOfMigrations(): Promise<string> {
  const copy = join(folder, 'migrations');
  for (const name of await readdir(MIGRATIONS)) {
    await mkdir(join(copy, name), { recursive: true });
    await copyFile(join(MIGRATIONS, name, 'migration.sql'), join(copy, name, 'migration.sql'));
  }
  return copy;
}
