/**
 * A data folder as a hub leaves it that started once and was stopped: PGlite's files with the tables of this version. To make one takes
 * a second of a core and more, to copy one takes a fraction of that; so it is made once and copied for
 * every test that is not about a first start. It is made by the hub's own storage, and anew for each PGlite and each list of migrations.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { migrations } from '../../src/storage/migrations/index.ts';
import { openTestStorage } from './storage.ts';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const KEPT = path.join(MODULES, '.cache/ready-database');

/** Fills `dataDir`; leaves it alone where a database is in it already. */
export async function readyDatabase(dataDir: string): Promise<void> {
  if (existsSync(path.join(dataDir, 'PG_VERSION'))) return;
  await cp(await kept(), dataDir, { recursive: true });
}

async function kept(): Promise<string> {
  const pglite = await readFile(path.join(MODULES, '@electric-sql/pglite/package.json'), 'utf8');
  const digest = createHash('sha256').update(pglite).update(JSON.stringify(migrations)).digest('hex');
  const folder = path.join(KEPT, digest.slice(0, 16));
  if (!existsSync(folder)) await make(folder);
  return folder;
}

/** Under a name of its own until it is whole: two hubs or two test files may make it at once, and one of them may be killed. */
async function make(folder: string): Promise<void> {
  await mkdir(KEPT, { recursive: true, mode: 0o700 });
  const draft = await mkdtemp(`${folder}.`);
  const { storage } = await openTestStorage({ kind: 'embedded', dataDir: draft, queryTimeoutMs: 60_000 });
  await storage.close();
  // The other one was faster: its folder is as good.
  await rename(draft, folder).catch(() => rm(draft, { recursive: true, force: true }));
}
