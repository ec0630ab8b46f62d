/** What a figure depends on besides the code: the machine, the runtime, the commit, and how busy the machine was already. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  /** With `+` when files differed from it. */
  readonly commit: string;
  /** Mean number of runnable tasks in the minute before; above 0.5 the figures are disturbed. */
  readonly loadBefore: number;
}

export function machineFacts(): MachineFacts {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    commit: commit(),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

function commit(): string {
  try {
    const changed = git('status', '--porcelain', '--', '..', ':!../docs/benchmarks.md', ':!results') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`;
  } catch {
    return 'unknown: not a git clone';
  }
}

function git(...args: string[]): string {
  const { dirname: cwd } = import.meta;
  return execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}
