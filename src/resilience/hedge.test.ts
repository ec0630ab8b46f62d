import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker/breaker.ts';
import { BREAKER_DEFAULTS } from './breaker/options.ts';
import { pipeline } from './pipeline.ts';
import { SupersededError } from './scope.ts';
import { RetryBudget } from './retry-budget.ts';

function hedging(delayMs?: number) {
  const clock = new VirtualClock();
  const breaker = new Breaker('upstream', BREAKER_DEFAULTS, { clock, random: { next: () => 0.5 } });
  const events: string[] = [];
  const built = pipeline({ clock, onEvent: ({ kind }) => events.push(kind) })
    .hedge(delayMs === undefined ? {} : { delayMs })
    .breaker(breaker)
    .build();
  return { clock, breaker, events, built };
}

describe('hedge', () => {
  it('asks a second time when the first is slow, takes the first answer, and stops the other without blame', async () => {
    const { clock, breaker, events, built } = hedging(50);
    const signals: AbortSignal[] = [];
    const call = built.tryExecute(async ({ signal }) => {
      signals.push(signal);
      const number = signals.length;
      await clock.sleep(number === 1 ? 1_000 : 20, signal);
      return number;
    });
    await clock.advance(70);
    assert.deepEqual(await call, { kind: 'ok', value: 2, degraded: false });
    assert.deepEqual(events, ['call-hedged']);
    assert.equal(signals[0]?.aborted, true);
    assert.ok(signals[0]?.reason instanceof SupersededError);
    assert.equal(signals[1]?.aborted, false, 'the winner is not aborted');
    await clock.advance(0);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 1 });
    assert.equal(breaker.inFlight, 0);
  });

  it('asks once when the answer comes in time, and leaves no timer', async () => {
    const { clock, events, built } = hedging(50);
    const call = built.tryExecute(() => clock.sleep(49));
    await clock.advance(49);
    assert.equal((await call).kind, 'ok');
    assert.deepEqual(events, []);
    assert.equal(clock.pending, 0);
  });

  it('fails at once when the first fails before the second began, and waits for the second afterwards', async () => {
    const { clock, built } = hedging(50);
    const early = await built.tryExecute(() => Promise.reject(new Error('no')));
    assert.equal(early.kind, 'failed');
    let calls = 0;
    const late = built.tryExecute(async ({ signal }) => {
      const number = ++calls;
      await clock.sleep(number === 1 ? 60 : 40, signal);
      if (number === 1) throw new Error('no');
      return 'second';
    });
    await clock.advance(90);
    assert.deepEqual(await late, { kind: 'ok', value: 'second', degraded: false });
  });

  it('does not hedge without a budget', async () => {
    const clock = new VirtualClock();
    const budget = new RetryBudget({ clock, ratio: 0, reserve: 1 });
    const built = pipeline({ clock }).hedge({ delayMs: 10, budget }).build();
    let calls = 0;
    const slow = (): Promise<void> => {
      calls++;
      return clock.sleep(100);
    };
    const all = [built.tryExecute(slow), built.tryExecute(slow), built.tryExecute(slow)];
    await clock.advance(200);
    await Promise.all(all);
    assert.equal(calls, 4);
  });

  it('counts a call once, with a retry around it or without', async () => {
    const clock = new VirtualClock();
    const shared = (ratio: number) => new RetryBudget({ clock, ratio, reserve: 0 });
    const [one, two] = [shared(1), shared(0.5)];
    const alone = pipeline({ clock }).hedge({ delayMs: 10, budget: one }).build();
    const retried = pipeline({ clock }).retry({ budget: two }).hedge({ delayMs: 10, budget: two }).build();
    const calls = { alone: 0, retried: 0 };
    const slow = (which: keyof typeof calls) => (): Promise<void> => {
      calls[which]++;
      return clock.sleep(100);
    };
    const all = [alone.tryExecute(slow('alone'))];
    for (let call = 0; call < 4; call++) all.push(retried.tryExecute(slow('retried')));
    await clock.advance(200);
    await Promise.all(all);
    assert.deepEqual(calls, { alone: 2, retried: 6 });
  });

  it('learns when a call is slower than most', async () => {
    const { clock, events, built } = hedging();
    for (let call = 0; call < 300; call++) {
      const done = built.tryExecute(() => clock.sleep(call % 10 === 0 ? 30 : 10));
      await clock.advance(40);
      await done;
    }
    events.length = 0;
    const slow = built.tryExecute(({ signal }) => clock.sleep(1_000, signal));
    await clock.advance(9);
    assert.deepEqual(events, [], 'not while it may still be quick');
    await clock.advance(60);
    assert.deepEqual(events, ['call-hedged']);
    await clock.advance(1_000);
    await slow;
  });

  it('ends both when the caller leaves', async () => {
    const { clock, breaker, built } = hedging(10);
    const controller = new AbortController();
    const call = built.tryExecute(({ signal }) => clock.sleep(1_000, signal), { signal: controller.signal });
    await clock.advance(20);
    assert.equal(breaker.inFlight, 2);
    controller.abort(new Error('gone'));
    assert.equal((await call).kind, 'cancelled');
    assert.equal(breaker.inFlight, 0);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 0 });
  });
});
