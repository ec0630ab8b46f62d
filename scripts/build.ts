/**
 * `npm run build`: compiles `src/` to `dist/`, which is what a package and a container run, because Node strips no types under
 * `node_modules`. Starts from an empty folder, so that nothing of an earlier build is published.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const DIST = path.join(ROOT, 'dist');

rmSync(DIST, { recursive: true, force: true });
const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
// Several checkers on few processors repeat each other's work: twice the time of a core, and no sooner.
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--checkers', '1'], {
  cwd: ROOT,
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);

/** The rooms, as the compiled files name them: `#core/clock` lies in `dist/core/clock.js`. */
const manifest: unknown = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
const sources =
  typeof manifest === 'object' && manifest !== null && 'imports' in manifest ? manifest.imports : undefined;
if (typeof sources !== 'object' || sources === null) throw new Error('package.json names no imports');
const imports = Object.fromEntries(
  Object.keys(sources).map((name) => [name, `./${name.slice(1).replace('*', '*.js')}`]),
);
writeFileSync(path.join(DIST, 'package.json'), `${JSON.stringify({ type: 'module', imports }, null, 2)}\n`);
for (const kept of ['http/assets', 'storage/new-database.zst']) {
  cpSync(path.join(ROOT, 'src', kept), path.join(DIST, kept), { recursive: true });
}
