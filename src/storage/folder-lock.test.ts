/** The lock on an embedded database's folder, between real processes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { FolderLockedError, lockFolder } from './folder-lock.ts';

const HOLDER = `
  const { lockFolder } = await import(process.argv[1]);
  globalThis.lock = lockFolder(process.argv[2]);
  process.stdout.write('held');
  setInterval(() => undefined, 60_000);
`;

async function holder(t: TestContext, folder: string): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', HOLDER, import.meta.resolve('./folder-lock.ts'), folder],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

function temporary(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-lock-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, 'data');
}

it('refuses the folder of another process, names it and says what to do; a kill -9 of that one frees it', async (t) => {
  const folder = temporary(t);
  const other = await holder(t, folder);
  const refused = (error: unknown): boolean => {
    assert.ok(error instanceof FolderLockedError);
    assert.equal(
      error.message,
      `${folder} is in use by another reVoAgent process (process ${other.pid}). Stop that one, or give this one another storage.dataDir.`,
    );
    return true;
  };
  assert.throws(() => lockFolder(folder), refused);
  // A process that is merely stopped may go on at any moment: it holds the lock.
  other.kill('SIGSTOP');
  assert.throws(() => lockFolder(folder), refused);

  const ended = once(other, 'exit');
  other.kill('SIGKILL');
  await ended;
  lockFolder(folder).release();
});

it('frees the folder when it is released, and refuses it within one process as well', (t) => {
  const folder = temporary(t);
  const lock = lockFolder(folder);
  assert.throws(() => lockFolder(folder), FolderLockedError);
  lock.release();
  lockFolder(folder).release();
});
