/** Every database that the hub can be configured with, through the one suite; and what only a database with several hubs must do. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { migrations } from '../../src/storage/migrations/index.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { readyDatabase } from '../helpers/ready-database.ts';
import { openTestStorage, POOL } from '../helpers/storage.ts';
import { storageSuite } from './storage-suite.ts';

let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.close());

storageSuite('PostgreSQL', async () => ({
  create: async () => ({ kind: 'postgres', url: await postgres.createDatabase(), pool: POOL }),
  destroy: async () => undefined,
}));

storageSuite('PGlite', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'revoagent-pglite-'));
  let made = 0;
  // The one that most tests share has been started before; those that are made later are new.
  await readyDatabase(path.join(folder, '1'));
  return {
    create: async () => ({ kind: 'embedded', dataDir: path.join(folder, String(++made)), queryTimeoutMs: 10_000 }),
    destroy: () => rm(folder, { recursive: true, force: true }),
  };
});

describe('several hubs on one PostgreSQL', () => {
  it('that start at the same moment apply each migration once, and all of them start', async () => {
    const url = await postgres.createDatabase();
    const opened = await Promise.all(
      Array.from({ length: 6 }, () => openTestStorage({ kind: 'postgres', url, pool: POOL })),
    );
    assert.deepEqual(
      opened.flatMap(({ storage }) => storage.migrated),
      migrations.map((migration) => migration.name),
    );
    for (const { storage } of opened) {
      await storage.ping();
      await storage.close();
    }
  });
});
