/** The file in which a stack says what it has started, so that nothing is left behind when its supervisor is killed. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Clock } from '#core/clock';
import { pause } from '#core/clock';
import { endInOrder } from './order.ts';
import type { Ordered } from './order.ts';
import type { Part } from './part.ts';

export interface StackState {
  /** The supervisor's. */
  readonly pid: number;
  readonly startedAt: string;
  readonly processes: readonly KnownProcess[];
}

interface KnownProcess extends Ordered, Pick<Part, 'stopSignal' | 'stopMs'> {
  readonly pid: number;
  /** When the system says it was started: another process may have got the number since. */
  readonly startedAt: string;
}

const LEFT_ASK_MS = 50;

/** Whole, or as it was before. */
export function writeState(file: string, state: StackState): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function removeState(file: string): void {
  rmSync(file, { force: true });
}

/** Null where there is none, or none that can be read. */
export function readState(file: string): StackState | null {
  if (!existsSync(file)) return null;
  try {
    const state: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return isState(state) ? state : null;
  } catch {
    // Torn by a full disk: then nothing is known of it.
    return null;
  }
}

function isState(value: unknown): value is StackState {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'startedAt' in value &&
    'processes' in value &&
    Array.isArray(value.processes) &&
    // One of an earlier version says less.
    value.processes.every((each: Partial<KnownProcess>) => Array.isArray(each.needs))
  );
}

const ENDED: ReadonlySet<string> = new Set(['Z', 'X', 'x']);

/** For this process now; empty where the system does not say. */
export function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name, which may hold anything: the 22nd field of all (proc(5)).
    const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // It has ended, and whoever is to hear of it has not asked yet; the first process of a container may never ask.
    return ENDED.has(state) ? '' : (fields[18] ?? '');
  } catch {
    // Gone, or no Linux.
    return '';
  }
}

function isThere({ pid, startedAt }: KnownProcess): boolean {
  return startedAt !== '' && startOf(pid) === startedAt;
}

/** As each would be ended, and in that order; whoever is not gone in its time is killed. `onEnding` hears of each. */
export function endLeft(state: StackState, clock: Clock, onEnding: (left: KnownProcess) => void): Promise<void> {
  return endInOrder(state.processes.filter(isThere), clock, async (left) => {
    const { pid, stopSignal, stopMs } = left;
    if (!isThere(left)) return;
    onEnding(left);
    process.kill(pid, stopSignal);
    const until = clock.now() + stopMs;
    while (isThere(left) && clock.now() < until) await pause(clock, LEFT_ASK_MS);
    // Each leads a group of its own.
    if (isThere(left)) process.kill(-pid, 'SIGKILL');
  });
}
