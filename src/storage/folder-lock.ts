/**
 * The exclusive lock on an embedded database's folder: a second process that opened it would see stale data and ruin it. It is
 * a lock of the operating system (SQLite holds it for us), so `kill -9` frees it and SIGSTOP does not; a lock file with a time
 * in it would get both wrong.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '#core/errors';

export class FolderLockedError extends Error {
  constructor(dataDir: string, holder: string) {
    super(
      `${dataDir} is in use by another reVoAgent process${holder}. Stop that one, or give this one another storage.dataDir.`,
    );
    this.name = 'FolderLockedError';
  }
}

/** Lasts as long as it is referenced: the runtime collects a lock that nobody can release any more, and that frees it. */
export interface FolderLock {
  /** May be called more than once. */
  release(): void;
}

/** Makes the folder where it is missing. Throws `FolderLockedError` where another process holds it; touches nothing then. */
export function lockFolder(dataDir: string): FolderLock {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const database = openIn(dataDir);
  const holderFile = path.join(dataDir, 'lock.pid');
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Error && /locked|busy/i.test(error.message))
      throw new FolderLockedError(dataDir, holderOf(holderFile));
    throw error;
  }
  writeFileSync(holderFile, String(process.pid));
  return { release: () => (database.isOpen ? database.close() : undefined) };
}

/** As `lockFolder`; null where another process holds it. */
export function tryLockFolder(dataDir: string): FolderLock | null {
  try {
    return lockFolder(dataDir);
  } catch (error) {
    if (error instanceof FolderLockedError) return null;
    throw error;
  }
}

function openIn(dataDir: string): DatabaseSync {
  try {
    return new DatabaseSync(path.join(dataDir, 'lock.sqlite'));
  } catch (error) {
    // SQLite names neither the file nor the reason.
    throw new Error(
      `storage.dataDir cannot be used: ${path.resolve(dataDir)} is not this user's to read and write, or its disk is full: ${messageOf(error)}.`,
      { cause: error },
    );
  }
}

function holderOf(file: string): string {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return Number.isNaN(pid) ? '' : ` (process ${pid})`;
  } catch {
    // The holder has not written its number yet: the message does without.
    return '';
  }
}
