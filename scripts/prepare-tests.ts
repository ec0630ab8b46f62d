/**
 * Finds the programs that tests start, and installs those that are missing where it may: as root, with apt, on Debian. Nothing that
 * is installed gets started: the tests start their own, on free ports. Where it may not install, it prints the one command to run
 * and fails, because a test that is skipped proves nothing.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { findTool, tools } from '../tests/helpers/tools.ts';
import type { ToolName } from '../tests/helpers/tools.ts';

/** Debian asks this file before a package starts its service; 101 means no (invoke-rc.d(8)). */
const POLICY = '/usr/sbin/policy-rc.d';
const KEPT = `${POLICY}.before-revoagent-tests`;
const PROBLEM_LINES = 20;

function missingPackages(): string[] {
  const names = Object.keys(tools) as ToolName[];
  return [...new Set(names.filter((name) => findTool(name) === undefined).map((name) => tools[name].package))];
}

function withoutServices<T>(work: () => T): T {
  if (existsSync(POLICY)) renameSync(POLICY, KEPT);
  try {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n');
    chmodSync(POLICY, 0o755);
    return work();
  } finally {
    rmSync(POLICY, { force: true });
    if (existsSync(KEPT)) renameSync(KEPT, POLICY);
  }
}

function apt(...words: string[]): void {
  console.log(`  apt-get ${words.join(' ')}`);
  const { status, stdout, stderr, error } = spawnSync('apt-get', [...words], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    encoding: 'utf8',
  });
  if (error !== undefined) throw new Error(`apt-get cannot be run: ${error.message}`);
  if (status === 0) return;
  const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-PROBLEM_LINES).join('\n');
  throw new Error(`apt-get ended with ${status}:\n${said}`);
}

export function prepare(): void {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const command = `apt-get install --yes --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`The tests start programs that are not installed. Run:\n\n  sudo ${command}\n`);
  }
  console.log(`The tests need ${missing.join(', ')}. Installing, without starting any service:`);
  withoutServices(() => {
    apt('update');
    apt('install', '--yes', '--no-install-recommends', ...missing);
  });
  const still = missingPackages();
  if (still.length > 0) throw new Error(`apt-get installed ${still.join(', ')}, and the programs are still not found.`);
}

if (import.meta.main) {
  try {
    prepare();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
