/**
 * `npm run lock`: gives package-lock.json the entries of other platforms that npm left out. An npm that installs from a mirror
 * without those packages (or with `node_modules` already there) writes a lock file that names them as optional dependencies
 * and holds no entry for them, and then `npm ci` refuses it on every machine. Run it after each change of a dependency.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

export interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

export interface Missing {
  /** The lock's key of the package that names it. */
  readonly by: string;
  readonly name: string;
  readonly version: string;
}

/** Optional dependencies, by exact version as platform packages are named, that have no entry where npm looks for them. */
export function missingFromLock({ packages }: Lock): Missing[] {
  return Object.entries(packages).flatMap(([by, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([name, version]) => /^\d/.test(version) && entryFor(packages, by, name)?.version !== version)
      .map(([name, version]) => ({ by, name, version })),
  );
}

/** As Node resolves: beneath the package itself, then beneath each package around it, then at the top. */
function entryFor(packages: Lock['packages'], from: string, name: string): LockedPackage | undefined {
  for (let at = from; ; at = around(at)) {
    const found = packages[under(at, name)];
    if (found !== undefined || at === '') return found;
  }
}

function under(at: string, name: string): string {
  return `${at === '' ? '' : `${at}/`}node_modules/${name}`;
}

/** `node_modules/a/node_modules/b` → `node_modules/a` → the root. */
function around(at: string): string {
  return at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1));
}

export function completed(lock: Lock): Lock {
  const packages: Record<string, LockedPackage> = { ...lock.packages };
  for (const { by, name, version } of missingFromLock(lock)) {
    const beside = under(around(by), name);
    const key = packages[beside] === undefined ? beside : under(by, name);
    const dev = packages[by]?.dev === true ? { dev: true } : {};
    packages[key] = { version, ...dev, optional: true, ...platformOf(name) };
  }
  const sorted = Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, 'en'));
  return { ...lock, packages: Object.fromEntries(sorted) };
}

/** Where it may be installed, so that `npm ci` passes it over elsewhere. Such packages say it in their names. */
function platformOf(name: string): LockedPackage {
  const [, os, cpu, abi] =
    /(aix|android|darwin|freebsd|linux|openharmony|win32)-([a-z0-9]+)(?:-([a-z]+))?$/.exec(name) ?? [];
  if (os === undefined || cpu === undefined) throw new Error(`${name} does not say which platform it is for`);
  const libc = os === 'linux' && abi !== undefined ? { libc: [abi.startsWith('musl') ? 'musl' : 'glibc'] } : {};
  return { os: [os], cpu: [cpu], ...libc };
}

/** Throws where the text is no lock file of npm 7 or newer. */
export function parseLock(text: string): Lock {
  const lock: unknown = JSON.parse(text);
  if (!isLock(lock)) throw new Error('package-lock.json holds no packages: write it with `npm install`');
  return lock;
}

function isLock(value: unknown): value is Lock {
  return typeof value === 'object' && value !== null && 'packages' in value && typeof value.packages === 'object';
}

if (import.meta.main) {
  const file = new URL('../package-lock.json', import.meta.url);
  const lock = parseLock(readFileSync(file, 'utf8'));
  const missing = missingFromLock(lock);
  if (missing.length > 0) writeFileSync(file, `${JSON.stringify(completed(lock), null, 2)}\n`);
  console.log(`package-lock.json: ${missing.length} entries of other platforms added`);
}
