/** What a dead supervisor left is ended by what it wrote down: with real processes, on a clock that moves when the test says so. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { waitFor } from '../../tests/helpers/hub-process.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { endLeft, startOf } from './state.ts';
import type { StackState } from './state.ts';

type Process = StackState['processes'][number];

/** Lets every signal but SIGKILL pass by. */
async function stubborn(t: TestContext, name: string, more: Partial<Process>): Promise<Process> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1_000)'], { detached: true });
  await once(child, 'spawn');
  t.after(() => child.kill('SIGKILL'));
  const pid = child.pid ?? 0;
  return { name, pid, startedAt: startOf(pid), needs: [], stopSignal: 'SIGCONT', stopMs: 1_000, ...more };
}

describe('what a dead supervisor left', () => {
  it('has the time that each would have had, and ends in the order of a stack', async (t) => {
    const clock = new VirtualClock();
    const processes = [
      await stubborn(t, 'store', { stopSignal: 'SIGKILL' }),
      await stubborn(t, 'hub', { needs: ['store'], stopMs: 120_000 }),
    ];
    const told: string[] = [];
    const ended = endLeft({ pid: 0, startedAt: '', processes }, clock, ({ name }) => void told.push(name));
    await clock.advance(119_999);
    assert.deepEqual(told, ['hub']);
    assert.ok(
      processes.every(({ pid, startedAt }) => startOf(pid) === startedAt),
      'both run',
    );
    await waitFor(async () => {
      await clock.advance(100);
      return told.length === 2 || undefined;
    });
    await waitFor(async () => {
      await clock.advance(100);
      return processes.every(({ pid }) => startOf(pid) === '') || undefined;
    });
    await ended;
    assert.deepEqual(told, ['hub', 'store']);
  });
});
