import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { pipeline } from './pipeline.ts';
import type { PipelineEvent } from './pipeline.ts';
import type { RetryOptions } from './retry.ts';
import { RetryBudget } from './retry-budget.ts';

function failing(status: number, retryAfterMs = 0): Error {
  return Object.assign(new Error(`status ${status}`), { status, retryAfterMs });
}

function retrying(options: RetryOptions) {
  const clock = new VirtualClock();
  const events: PipelineEvent[] = [];
  const built = pipeline({ clock, random: seededRandom(7), onEvent: (event) => events.push(event) })
    .retry(options)
    .build();
  return { clock, events, built };
}

describe('retry', () => {
  it('calls again until it works, at most as often as it was told, and says so', async () => {
    const { clock, events, built } = retrying({ idempotent: true });
    const seen: number[] = [];
    const call = built.tryExecute(({ attempt }) => {
      seen.push(attempt);
      if (attempt < 3) throw failing(500);
      return 'well';
    });
    await clock.advance(10_000);
    assert.deepEqual(await call, { kind: 'ok', value: 'well', degraded: false });
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['call-retried', 'call-retried'],
    );
    const never = built.tryExecute(() => Promise.reject(failing(503)));
    await clock.advance(10_000);
    assert.equal((await never).kind, 'failed');
    assert.equal(events.length, 4);
  });

  it('draws each wait from zero to a bound that doubles, and stays below the longest', async () => {
    const { clock, events, built } = retrying({
      idempotent: true,
      attempts: 9,
      baseMs: 100,
      maxMs: 2_000,
      budget: new RetryBudget({ reserve: 1_000 }),
    });
    for (let call = 0; call < 50; call++) {
      const done = built.tryExecute(() => Promise.reject(failing(500)));
      await clock.advance(60_000);
      await done;
    }
    const delays = events.map((event) => (event.kind === 'call-retried' ? event : assert.fail()));
    for (const { attempt, delayMs } of delays) assert.ok(delayMs <= Math.min(100 * 2 ** (attempt - 2), 2_000));
    assert.ok(delays.some(({ delayMs }) => delayMs > 1_500));
    assert.ok(delays.some(({ attempt, delayMs }) => attempt > 5 && delayMs < 500));
  });

  it('repeats what may have been done only where twice is as good as once', async () => {
    const unsent = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    const rows: [unknown, boolean, number][] = [
      [failing(500), false, 1],
      [failing(500), true, 3],
      [new Error('socket hang up'), false, 1],
      [unsent, false, 3],
      [failing(429), false, 3],
      [failing(400), true, 1],
    ];
    for (const [error, idempotent, attempts] of rows) {
      const { clock, built } = retrying({ idempotent });
      let calls = 0;
      const done = built.tryExecute(() => {
        calls++;
        throw error;
      });
      await clock.advance(60_000);
      await done;
      assert.equal(calls, attempts, `${String(error)}, idempotent ${idempotent}`);
    }
  });

  it('repeats what took too long only where twice is as good as once', async () => {
    for (const [idempotent, attempts] of [[false, 1] as const, [true, 3] as const]) {
      const clock = new VirtualClock();
      const built = pipeline({ clock }).retry({ idempotent }).timeout(100).build();
      let calls = 0;
      const done = built.tryExecute(() => {
        calls++;
        return new Promise<string>(() => undefined);
      });
      await clock.advance(60_000);
      assert.deepEqual(await done, { kind: 'timeout', scope: 'attempt', limitMs: 100 });
      assert.equal(calls, attempts, `idempotent ${idempotent}`);
    }
  });

  it('waits as long as the upstream asks, and gives up where that is too long', async () => {
    const { clock, events, built } = retrying({ retryAfterMaxMs: 5_000 });
    const patient = built.tryExecute(({ attempt }) => {
      if (attempt === 1) throw failing(429, 5_000);
      return clock.now();
    });
    await clock.advance(10_000);
    assert.deepEqual(await patient, { kind: 'ok', value: 5_000, degraded: false });
    const impatient = await built.tryExecute(() => Promise.reject(failing(429, 5_001)));
    assert.equal(impatient.kind, 'failed');
    assert.equal(events.length, 1);
  });

  it('does not multiply an outage: its budget runs out', async () => {
    const clock = new VirtualClock();
    const built = pipeline({ clock })
      .retry({ idempotent: true, baseMs: 1, budget: new RetryBudget({ clock }) })
      .build();
    let calls = 0;
    const all = Array.from({ length: 100 }, () =>
      built.tryExecute(() => {
        calls++;
        throw failing(500);
      }),
    );
    await clock.advance(1_000);
    await Promise.all(all);
    assert.ok(calls > 100 && calls <= 100 + 100 * 0.2 + 3, `${calls} calls for 100`);
  });

  it('ends the wait when the caller leaves, and does not begin one that the deadline would cut', async () => {
    const clock = new VirtualClock();
    const built = pipeline({ clock, random: { next: () => 0.999 } })
      .retry({ idempotent: true, baseMs: 1_000 })
      .build();
    const controller = new AbortController();
    const reason = new Error('enough');
    const left = built.tryExecute(() => Promise.reject(failing(500)), { signal: controller.signal });
    await clock.advance(10);
    controller.abort(reason);
    assert.deepEqual(await left, { kind: 'cancelled', reason });
    assert.equal(clock.pending, 0);
    const hurried = await built.tryExecute(() => Promise.reject(failing(500)), { deadlineMs: 500 });
    assert.equal(hurried.kind, 'failed');
  });

  it('gives each attempt a signal that earlier attempts did not abort', async () => {
    const clock = new VirtualClock();
    const built = pipeline({ clock }).retry({ idempotent: true }).timeout(100).build();
    const signals: AbortSignal[] = [];
    const call = built.tryExecute(({ signal, attempt }) => {
      signals.push(signal);
      return attempt === 1 ? new Promise<string>(() => undefined) : 'second';
    });
    await clock.advance(5_000);
    assert.deepEqual(await call, { kind: 'ok', value: 'second', degraded: false });
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, false],
    );
  });
});
