/**
 * The files of a database that is new, as PostgreSQL's initdb leaves them, kept in one archive beside this file. initdb in WebAssembly takes
 * seconds of a core and, killed half-way, leaves a folder that nothing opens; to unpack what it made takes a fraction of one, and the
 * file that says "here is a database" is written last. Made when the project is installed or built (`scripts/new-database.ts`);
 * where it is missing, PGlite runs initdb.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';

const ARCHIVE = fileURLToPath(new URL('./new-database.zst', import.meta.url));
/** What PGlite, as PostgreSQL, knows a database by. */
const MARK = 'PG_VERSION';

interface Archive {
  readonly pglite: string;
  readonly folders: readonly string[];
  /** The mark is the last. */
  readonly files: readonly (readonly [path: string, bytes: Uint8Array])[];
}

/** Fills the folder, which exists; leaves it alone where it holds a database or there is no archive. Keeps its thread until it is done. */
export function unpackNewDatabase(dataDir: string, archiveFile = ARCHIVE): void {
  if (existsSync(path.join(dataDir, MARK)) || !existsSync(archiveFile)) return;
  const { folders, files } = readArchive(archiveFile);
  for (const folder of folders) mkdirSync(path.join(dataDir, folder), { recursive: true, mode: 0o700 });
  for (const [name, bytes] of files) writeFileSync(path.join(dataDir, name), bytes, { mode: 0o600 });
}

/** Whether the archive is there, made by this version of PGlite. */
export function hasNewDatabase(pglite: string, archiveFile = ARCHIVE): boolean {
  return existsSync(archiveFile) && readArchive(archiveFile).pglite === pglite;
}

/** Makes the archive of a folder that this version of PGlite has filled and closed. */
export function packNewDatabase(folder: string, pglite: string, archiveFile = ARCHIVE): void {
  const folders: string[] = [];
  const files: (readonly [string, Uint8Array])[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, file);
    if (entry.isDirectory()) folders.push(name);
    else files.push([name, readFileSync(file)]);
  }
  const markLast = files.toSorted(([one], [other]) => Number(one === MARK) - Number(other === MARK));
  const archive: Archive = { pglite, folders, files: markLast };
  // Under a name of its own until it is whole.
  const draft = `${archiveFile}.${process.pid}`;
  writeFileSync(draft, zstdCompressSync(serialize(archive)));
  renameSync(draft, archiveFile);
}

function readArchive(file: string): Archive {
  const archive: unknown = deserialize(zstdDecompressSync(readFileSync(file)));
  if (!isArchive(archive))
    throw new Error(`${file} is no archive of a new database; npm run new-database makes it again.`);
  return archive;
}

function isArchive(value: unknown): value is Archive {
  return typeof value === 'object' && value !== null && 'pglite' in value && 'folders' in value && 'files' in value;
}
