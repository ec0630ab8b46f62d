/** The data folder is made with its parents, for its user alone, or refused with the setting and the cause: never waited for. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { makeFolder } from './make-folder.ts';

function temporary(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('the data folder', () => {
  it('is made with its parents, for its user alone, and stays when it is there', (t) => {
    const parent = temporary(t);
    const folder = path.join(parent, 'a', 'b');
    makeFolder(folder);
    for (const each of [folder, path.dirname(folder)]) assert.equal(statSync(each).mode & 0o777, 0o700);
    const file = path.join(folder, 'kept');
    writeFileSync(file, '');
    makeFolder(folder);
    assert.ok(statSync(file).isFile());
  });

  it('is refused with its setting, its path and the cause where a file stands there or on the way', (t) => {
    const file = path.join(temporary(t), 'file');
    writeFileSync(file, '');
    for (const folder of [file, path.join(file, 'below')])
      assert.throws(
        () => makeFolder(folder),
        (error: Error) => {
          assert.match(error.message, /^storage\.dataDir cannot be used: /);
          assert.ok(error.message.includes(folder));
          return true;
        },
      );
  });
});
