/** A supervisor with real processes, on a clock that moves when the test says so. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { waitFor } from '../../tests/helpers/hub-process.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import type { Part, StackEvent } from './part.ts';
import { Supervisor } from './supervisor.ts';

/** A process that does nothing, and is ready at once. */
function idle(name: string, needs: readonly string[] = []): Part {
  return {
    name,
    needs,
    command: [process.execPath, '-e', 'setInterval(() => undefined, 1_000)'],
    env: {},
    binds: [],
    isReady: () => Promise.resolve(true),
    readyMs: 10_000,
    stopSignal: 'SIGKILL',
    stopMs: 10_000,
  };
}

describe('a supervisor', () => {
  it('goes on trying one that is to stay where it did not get ready', async (t) => {
    const logs = mkdtempSync(path.join(tmpdir(), 'revoagent-'));
    const clock = new VirtualClock();
    const supervisor = new Supervisor({
      clock,
      logs,
      portOffset: 0,
      onEvent: () => undefined,
      onChange: () => undefined,
    });
    t.after(async () => {
      await supervisor.stop();
      rmSync(logs, { recursive: true });
    });
    await supervisor.start([idle('hub')]);
    let isHindered = true;
    const before: Part = {
      ...idle('hub'),
      prepare: () => {
        if (isHindered) throw new Error('the store is away');
      },
    };
    await assert.rejects(supervisor.replace(before, true), /the store is away/);
    isHindered = false;
    await waitFor(async () => {
      await clock.advance(1_000);
      return supervisor.status()[0]?.state === 'ready' || undefined;
    });
  });

  it('ends what a part needs only after that, or once it has held it for its time', async (t) => {
    const logs = mkdtempSync(path.join(tmpdir(), 'revoagent-'));
    t.after(() => rmSync(logs, { recursive: true }));
    const clock = new VirtualClock();
    const told: string[] = [];
    const onEvent = ({ part, what }: StackEvent): void => void told.push(`${part} ${what}`);
    const supervisor = new Supervisor({ clock, logs, portOffset: 0, onEvent, onChange: () => undefined });
    // It serves to the end of what is under way, however long.
    const balancer: Part = { ...idle('balancer', ['hub']), stopSignal: 'SIGCONT', stopMs: 60_000, holdsMs: 10_000 };
    await supervisor.start([idle('store'), idle('hub', ['store']), balancer]);
    const stopped = supervisor.stop();
    await clock.advance(9_999);
    assert.deepEqual(told.slice(6), ['balancer stopping']);
    await clock.advance(1);
    await waitFor(() => told.includes('store stopped') || undefined);
    assert.equal(told.includes('balancer stopped'), false);
    await clock.advance(50_000);
    await stopped;
    assert.equal(told.at(-1), 'balancer stopped');
  });

  it('that is hurried kills what it waits for, and ends the rest as it should', async (t) => {
    const logs = mkdtempSync(path.join(tmpdir(), 'revoagent-'));
    t.after(() => rmSync(logs, { recursive: true }));
    const clock = new VirtualClock();
    const told: string[] = [];
    const onEvent = ({ part, what, detail }: StackEvent): void => void told.push(`${part} ${what} ${detail}`);
    const supervisor = new Supervisor({ clock, logs, portOffset: 0, onEvent, onChange: () => undefined });
    await supervisor.start([
      { ...idle('store'), stopSignal: 'SIGTERM' },
      { ...idle('hub', ['store']), stopSignal: 'SIGCONT', stopMs: 600_000 },
    ]);
    const stopped = supervisor.stop();
    await waitFor(() => told.includes('hub stopping SIGCONT') || undefined);
    supervisor.hurry();
    await stopped;
    assert.deepEqual(told.slice(-3), ['hub stopped ', 'store stopping SIGTERM', 'store stopped ']);
  });

  it('starts what needs a part that crashed when that one is back, and starts no second one', async (t) => {
    const logs = mkdtempSync(path.join(tmpdir(), 'revoagent-'));
    const clock = new VirtualClock();
    const told: string[] = [];
    const seen = new EventTarget();
    const onEvent = ({ part, what }: StackEvent): void => {
      told.push(`${part} ${what}`);
      if (what === 'crashed' || what === 'ready') seen.dispatchEvent(new Event(`${part} ${what}`));
    };
    const supervisor = new Supervisor({ clock, logs, portOffset: 0, onEvent, onChange: () => undefined });
    t.after(async () => {
      await supervisor.stop();
      rmSync(logs, { recursive: true });
    });
    await supervisor.start([idle('store')]);
    const crash = once(seen, 'store crashed');
    const pid = supervisor.status()[0]?.pid;
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    await crash;

    const [back, started] = [once(seen, 'store ready'), supervisor.start([idle('hub', ['store'])])];
    // Whoever starts a second one does so now, before the first pause has ended.
    await clock.advance(100);
    assert.deepEqual(told, ['store starting', 'store ready', 'store crashed']);
    await clock.advance(100);
    await back;
    await clock.advance(100);
    await started;
    assert.deepEqual(told.slice(3), ['store starting', 'store ready', 'hub starting', 'hub ready']);
  });
});
