/** A lock file that npm left incomplete becomes one that `npm ci` accepts, and nothing that was in it changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completed, missingFromLock } from '../scripts/complete-lock.ts';

const LOCK = {
  packages: {
    '': { version: '0.1.0' },
    'node_modules/a-linux-x64-musl': { version: '0.9.0', optional: true },
    'node_modules/a-linux-x64-gnu': { version: '1.0.0', optional: true },
    'node_modules/tool': {
      version: '1.0.0',
      dev: true,
      optionalDependencies: { 'a-linux-x64-gnu': '1.0.0', 'a-linux-x64-musl': '1.0.0', 'a-darwin-arm64': '1.0.0' },
    },
  },
};

test('each missing entry is added with its platform, beneath the package that needs it where another version is in the way', () => {
  const { packages } = completed(LOCK);
  const added = Object.fromEntries(Object.entries(packages).filter(([key]) => !(key in LOCK.packages)));
  assert.deepEqual(added, {
    'node_modules/a-darwin-arm64': { version: '1.0.0', dev: true, optional: true, os: ['darwin'], cpu: ['arm64'] },
    'node_modules/tool/node_modules/a-linux-x64-musl': {
      version: '1.0.0',
      dev: true,
      optional: true,
      os: ['linux'],
      cpu: ['x64'],
      libc: ['musl'],
    },
  });
  for (const [key, entry] of Object.entries(LOCK.packages)) assert.deepEqual(packages[key], entry);
});

test('a completed lock file misses nothing', () => {
  assert.equal(missingFromLock(LOCK).length, 2);
  assert.deepEqual(missingFromLock(completed(LOCK)), []);
});

test('a package that does not say its platform is refused by name instead of being installed everywhere', () => {
  const lock = { packages: { 'node_modules/tool': { optionalDependencies: { fast: '1.0.0' } } } };
  assert.throws(() => completed(lock), /fast does not say which platform/);
});
