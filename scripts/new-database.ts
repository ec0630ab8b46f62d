/**
 * `npm run new-database`: keeps the files of a new embedded database ready, so that no first start has to make them. npm runs it after an
 * installation (`prepare`), and a build does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { hasNewDatabase, packNewDatabase } from '#storage/new-database';
import manifest from '../package.json' with { type: 'json' };

const version = manifest.dependencies['@electric-sql/pglite'];
if (!hasNewDatabase(version)) {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-new-database-'));
  try {
    const database = await PGlite.create({ dataDir: folder });
    await database.close();
    packNewDatabase(folder, version);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
