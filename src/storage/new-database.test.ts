/** The files of a new database, kept in an archive: what is unpacked is what was packed, and a folder half unpacked is no database. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { hasNewDatabase, packNewDatabase, unpackNewDatabase } from './new-database.ts';

interface Scene {
  readonly archive: string;
  readonly dataDir: string;
}

function packed(t: TestContext): Scene {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-new-database-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const made = path.join(folder, 'made');
  mkdirSync(path.join(made, 'pg_empty'), { recursive: true });
  mkdirSync(path.join(made, 'base/1'), { recursive: true });
  writeFileSync(path.join(made, 'PG_VERSION'), '18\n');
  writeFileSync(path.join(made, 'base/1/PG_VERSION'), '18\n');
  writeFileSync(path.join(made, 'base/1/1259'), Buffer.from([0, 255, 1, 254]));
  const [archive, dataDir] = [path.join(folder, 'archive'), path.join(folder, 'data')];
  packNewDatabase(made, '1.2.3', archive);
  mkdirSync(dataDir);
  return { archive, dataDir };
}

describe('the archive of a new database', () => {
  it('gives every file and folder back, for nobody else to read', (t) => {
    const { archive, dataDir } = packed(t);
    unpackNewDatabase(dataDir, archive);
    assert.deepEqual(readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).toSorted(), [
      'PG_VERSION',
      'base',
      'base/1',
      'base/1/1259',
      'base/1/PG_VERSION',
      'pg_empty',
    ]);
    assert.deepEqual([...readFileSync(path.join(dataDir, 'base/1/1259'))], [0, 255, 1, 254]);
    assert.equal(statSync(path.join(dataDir, 'base/1/1259')).mode & 0o777, 0o600);
    assert.equal(statSync(path.join(dataDir, 'base')).mode & 0o777, 0o700);
  });

  it('leaves a database alone, and fills a folder whose filling was interrupted', (t) => {
    const { archive, dataDir } = packed(t);
    mkdirSync(path.join(dataDir, 'base/1'), { recursive: true });
    writeFileSync(path.join(dataDir, 'base/1/1259'), 'ha');
    unpackNewDatabase(dataDir, archive);
    assert.equal(readFileSync(path.join(dataDir, 'base/1/1259')).length, 4, 'half a file is written again');
    writeFileSync(path.join(dataDir, 'base/1/1259'), 'grown since');
    unpackNewDatabase(dataDir, archive);
    assert.equal(readFileSync(path.join(dataDir, 'base/1/1259'), 'utf8'), 'grown since');
  });

  it('writes the file that makes it a database last', (t) => {
    const { archive, dataDir } = packed(t);
    // In the way of a file: it ends there, as a process that is killed does.
    mkdirSync(path.join(dataDir, 'base/1/1259'), { recursive: true });
    assert.throws(() => unpackNewDatabase(dataDir, archive), /EISDIR/);
    assert.equal(existsSync(path.join(dataDir, 'PG_VERSION')), false);
  });

  it('is of one version; where there is none, nothing is done', (t) => {
    const { archive, dataDir } = packed(t);
    assert.deepEqual([hasNewDatabase('1.2.3', archive), hasNewDatabase('1.2.4', archive)], [true, false]);
    unpackNewDatabase(dataDir, `${archive}.none`);
    assert.deepEqual([hasNewDatabase('1.2.3', `${archive}.none`), readdirSync(dataDir)], [false, []]);
  });
});
